#pragma once
// Backbone and head of the EMP methods: n patches of every image, all of them in one forward pass.
#include <memory>

#include "models/mlp.h"
#include "ssl/core/method.h"
#include "ssl/methods/context.h"
#include "ssl/methods/emp_ssl.h"

namespace nagare::ssl {

class EmpNetwork {
 public:
  EmpNetwork(const EmpNetworkOptions& options, MethodContext context);

  const ViewPlan& view_plan() const { return plan_; }
  std::int64_t embedding_dim() const { return options_.dim; }
  models::Backbone& backbone() { return *backbone_; }
  // z (n, b, d) f32, patch-major, unit rows. Batch-norm statistics cover all n * b patches.
  Tensor embed(const char* who, const Views& views);
  // normalise(zbar): (b, d) f32 without history.
  static Tensor image_embedding(const Tensor& z);
  void list_state(nn::StateList& list) const;

 private:
  EmpNetworkOptions options_;
  ViewPlan plan_;
  models::Mlp projector_;
  std::unique_ptr<models::Backbone> backbone_;
};

}  // namespace nagare::ssl
