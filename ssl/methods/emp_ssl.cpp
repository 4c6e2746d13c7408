#include "ssl/methods/emp_ssl.h"

#include "ssl/methods/common.h"
#include "ssl/methods/emp_network.h"

namespace nagare::ssl {
namespace {

class EmpSslMethod final : public Method {
 public:
  EmpSslMethod(const EmpSslOptions& options, MethodContext context)
      : options_(options), network_(options.network, std::move(context)) {}

  const ViewPlan& view_plan() const override { return network_.view_plan(); }
  std::int64_t embedding_dim() const override { return network_.embedding_dim(); }
  models::Backbone& backbone() override { return network_.backbone(); }
  const Network& network() const override { return network_; }
  void list_state(nn::StateList& list) const override { network_.list_state(list); }

  StepOutput loss(const Views& views, Pass pass) override {
    const Network::Rows rows = network_.embed("emp-ssl", views, pass);
    const Tensor z = EmpNetwork::patches(rows, views);  // (n, b, d)
    const EmpLoss parts = emp_ssl_loss(z, options_.loss);
    const Tensor embedding = EmpNetwork::image_embedding(z);
    return {.loss = parts.loss,
            .embedding = embedding,
            .features = {{rows.features}},
            .projections = {{rows.projections}},
            .metrics = {{"similarity", parts.invariance.item()},
                        {"tcr", parts.tcr.item()},
                        {"collapse_std", collapse_std(embedding)}}};
  }

 private:
  EmpSslOptions options_;
  EmpNetwork network_;
};

}  // namespace

OptionSet EmpSslOptions::bind() {
  OptionSet set;
  network.bind(set);
  set.number("similarity-weight", loss.similarity_weight, {.low = 0.0, .high = 1e6},
             "weight of the similarity");
  set.number("tcr-weight", loss.tcr_weight, {.low = 0.0, .high = 1e6}, "weight of the coding rate");
  set.number("epsilon", loss.rate.epsilon, {.low = 1e-4, .high = 100.0}, "distortion of the coding rate");
  set.flag("epsilon-squared", loss.rate.epsilon_squared, "square epsilon, as the paper's formula does");
  return set;
}

std::unique_ptr<Method> make_emp_ssl(MethodContext context) {
  EmpSslOptions options;
  options.bind().assign("emp-ssl", context.options);
  return std::make_unique<EmpSslMethod>(options, std::move(context));
}

}  // namespace nagare::ssl
