#pragma once
// EMP-SSL: many small patches of an image agree with their mean; a coding rate keeps them from collapsing.
// docs/methods/emp-ssl.md
#include <memory>

#include "ssl/core/method.h"
#include "ssl/losses/emp_ssl.h"
#include "ssl/methods/context.h"

namespace nagare::ssl {

// The network and the patches, shared by all EMP methods.
struct EmpNetworkOptions {
  std::int64_t patches = 20;       // n
  std::int64_t hidden = 4096;      // width of the head's hidden layers
  std::int64_t hidden_layers = 2;  // Linear - batch norm - ReLU blocks before the last Linear
  std::int64_t dim = 1024;         // d, of the embedding
  float patch_scale = 0.25F;       // area of a patch, fraction of the image's

  void bind(OptionSet& set);
};

struct EmpSslOptions {
  EmpNetworkOptions network;
  EmpSsl loss;

  OptionSet bind();
};

std::unique_ptr<Method> make_emp_ssl(MethodContext context);

}  // namespace nagare::ssl
