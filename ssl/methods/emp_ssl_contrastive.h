#pragma once
// EMP-SSL whose similarity term is replaced by a contrastive one. docs/methods/emp-ssl-contrastive.md
#include <memory>

#include "ssl/core/method.h"
#include "ssl/losses/emp_contrastive.h"
#include "ssl/methods/context.h"
#include "ssl/methods/emp_ssl.h"

namespace nagare::ssl {

struct EmpSslContrastiveOptions {
  EmpNetworkOptions network;
  std::string form = "means";  // EmpContrast by name
  EmpContrastive loss;

  OptionSet bind();
};

std::unique_ptr<Method> make_emp_ssl_contrastive(MethodContext context);

}  // namespace nagare::ssl
