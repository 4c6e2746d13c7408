#pragma once
// Backbone and head of the EMP methods: n patches of every image, all of them in one forward pass.
#include <memory>

#include "models/mlp.h"
#include "ssl/core/method.h"
#include "ssl/methods/context.h"
#include "ssl/methods/emp_ssl.h"

namespace nagare::ssl {

class EmpNetwork final : public Network {
 public:
  EmpNetwork(const EmpNetworkOptions& options, MethodContext context);

  const ViewPlan& view_plan() const { return plan_; }
  std::int64_t embedding_dim() const { return options_.dim; }
  models::Backbone& backbone() { return *backbone_; }
  // f32 unit projections.
  Rows forward(const Tensor& images, bool training) const override;
  // All n * b patches in one pass: batch-norm statistics cover them all.
  Rows embed(const char* who, const Views& views, Pass pass) const;
  // The projections of embed() as z (n, b, d), patch-major.
  static Tensor patches(const Rows& rows, const Views& views);
  // normalise(zbar): (b, d) f32 without history.
  static Tensor image_embedding(const Tensor& z);
  std::int64_t feature_dim() const override { return backbone_->feature_dim(); }
  std::int64_t dim() const override { return options_.dim; }
  const models::MlpOptions* projector() const override { return &head_; }
  void list_state(nn::StateList& list) const override;
  std::unique_ptr<Network> clone() const override;

 private:
  EmpNetwork(const EmpNetwork& other, std::unique_ptr<models::Backbone> backbone);

  EmpNetworkOptions options_;
  ViewPlan plan_;
  models::MlpOptions head_;
  models::Mlp projector_;
  std::unique_ptr<models::Backbone> backbone_;
};

}  // namespace nagare::ssl
