#include "ssl/methods/emp_ssl_contrastive.h"

#include "ssl/methods/common.h"
#include "ssl/methods/emp_network.h"

namespace nagare::ssl {
namespace {

class EmpSslContrastive final : public Method {
 public:
  EmpSslContrastive(const EmpSslContrastiveOptions& options, MethodContext context)
      : options_(options), network_(options.network, std::move(context)) {}

  const ViewPlan& view_plan() const override { return network_.view_plan(); }
  std::int64_t embedding_dim() const override { return network_.embedding_dim(); }
  models::Backbone& backbone() override { return network_.backbone(); }
  const Network& network() const override { return network_; }
  void list_state(nn::StateList& list) const override { network_.list_state(list); }

  StepOutput loss(const Views& views, Pass pass) override {
    const Network::Rows rows = network_.embed("emp-ssl-contrastive", views, pass);
    const Tensor z = EmpNetwork::patches(rows, views);  // (n, b, d)
    const EmpLoss parts = emp_contrastive_loss(z, options_.loss);
    const Tensor embedding = EmpNetwork::image_embedding(z);
    return {.loss = parts.loss,
            .embedding = embedding,
            .features = {{rows.features}},
            .projections = {{rows.projections}},
            .metrics = {{"contrast", parts.invariance.item()},
                        {"tcr", parts.tcr.item()},
                        {"collapse_std", collapse_std(embedding)}}};
  }

 private:
  EmpSslContrastiveOptions options_;
  EmpNetwork network_;
};

}  // namespace

OptionSet EmpSslContrastiveOptions::bind() {
  OptionSet set;
  network.bind(set);
  set.choice("form", form, {"means", "patches"},
             "negatives: the other images' means (published program), or all their patches (formula)");
  set.number("contrastive-weight", loss.contrastive_weight, {.low = 0.0, .high = 1e6},
             "weight of the contrastive term");
  set.number("tcr-weight", loss.tcr_weight, {.low = 0.0, .high = 1e6}, "weight of the coding rate");
  set.number("temperature", loss.temperature, {.low = 0.005, .high = 100.0}, "softmax temperature");
  set.flag("detach-mean", loss.detach_mean, "patches form: no gradient through the mean");
  set.flag("normalize-mean", loss.normalize_mean, "patches form: means of unit length");
  set.number("epsilon", loss.rate.epsilon, {.low = 1e-4, .high = 100.0}, "distortion of the coding rate");
  set.flag("epsilon-squared", loss.rate.epsilon_squared, "square epsilon, as the formula does");
  return set;
}

std::unique_ptr<Method> make_emp_ssl_contrastive(MethodContext context) {
  EmpSslContrastiveOptions options;
  options.bind().assign("emp-ssl-contrastive", context.options);
  options.loss.form = options.form == "means" ? EmpContrast::means : EmpContrast::patches;
  return std::make_unique<EmpSslContrastive>(options, std::move(context));
}

}  // namespace nagare::ssl
