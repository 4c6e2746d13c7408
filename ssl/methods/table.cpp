#include "ssl/methods/table.h"

#include <algorithm>
#include <stdexcept>

#include "engine/device/errors.h"
#include "engine/text/nearest.h"
#include "ssl/methods/barlow.h"
#include "ssl/methods/byol.h"
#include "ssl/methods/dino.h"
#include "ssl/methods/emp_ssl.h"
#include "ssl/methods/emp_ssl_contrastive.h"
#include "ssl/methods/moco.h"
#include "ssl/methods/simclr.h"
#include "ssl/methods/simsiam.h"
#include "ssl/methods/supcon.h"
#include "ssl/methods/supervised.h"
#include "ssl/methods/swav.h"
#include "ssl/methods/vicreg.h"

namespace nagare::ssl {
namespace {

template <class Options>
std::vector<OptionInfo> options_of() {
  return Options().bind().list();
}

constexpr MethodRow kMethods[] = {
    {"barlow",
     "makes each dimension of two views agree with itself and with no other",
     "Zbontar et al., ICML 2021",
     make_barlow,
     options_of<BarlowOptions>,
     {.distilled_as = DistilledAs::barlow}},
    {"byol",
     "predicts what its own moving average makes of the other view",
     "Grill et al., NeurIPS 2020",
     make_byol,
     options_of<ByolOptions>,
     {.single_image = true}},
    {"dino",
     "gives every view the distribution that a slow teacher gives another",
     "Caron et al., ICCV 2021",
     make_dino,
     options_of<DinoOptions>,
     {.single_image = true, .distilled_as = DistilledAs::prototypes}},
    {"emp-ssl", "many patches agree with their mean, a coding rate spreads images",
     "Tong et al., arXiv 2304.03977", make_emp_ssl, options_of<EmpSslOptions>},
    {"emp-ssl-contrastive",
     "many patches find their image's mean among all images'",
     "Imai et al., ACCV 2024",
     make_emp_ssl_contrastive,
     options_of<EmpSslContrastiveOptions>,
     {.distilled_as = DistilledAs::contrastive}},
    {"moco",
     "finds a momentum encoder's key of the other view among a queue of earlier keys",
     "He et al., CVPR 2020; Chen et al., arXiv 2003.04297",
     make_moco,
     options_of<MocoOptions>,
     {.single_image = true, .queue = true, .distilled_as = DistilledAs::contrastive}},
    {"simclr",
     "tells each image's views from all others",
     "Chen et al., ICML 2020",
     make_simclr,
     options_of<SimClrOptions>,
     {.distilled_as = DistilledAs::contrastive}},
    {"simsiam",
     "predicts one view's projection from the other's",
     "Chen and He, CVPR 2021",
     make_simsiam,
     options_of<SimSiamOptions>,
     {.single_image = true}},
    {"supcon",
     "pulls images of one class together: with labels, not self-supervised",
     "Khosla et al., NeurIPS 2020",
     make_supcon,
     options_of<SupConOptions>,
     {.labels = true, .distilled_as = DistilledAs::contrastive}},
    {"supervised",
     "learns the labels: a baseline, not self-supervised",
     "He et al., CVPR 2016",
     make_supervised,
     options_of<SupervisedOptions>,
     {.labels = true, .single_image = true, .projector = false}},
    {"swav",
     "foretells which prototypes another view was assigned",
     "Caron et al., NeurIPS 2020",
     make_swav,
     options_of<SwavOptions>,
     {.distilled_as = DistilledAs::prototypes}},
    {"vicreg",
     "two views agree; every dimension varies, no two vary together",
     "Bardes et al., ICLR 2022",
     make_vicreg,
     options_of<VicRegOptions>,
     {.distilled_as = DistilledAs::mse}},
};

}  // namespace

std::span<const MethodRow> method_table() { return kMethods; }

MethodTraits method_traits(const std::string& name) {
  const auto* row = std::ranges::find(kMethods, name, &MethodRow::name);
  return row == std::end(kMethods) ? MethodTraits{} : row->traits;
}

std::unique_ptr<Method> make_method(const std::string& name, MethodContext context) {
  const auto* row = std::ranges::find(kMethods, name, &MethodRow::name);
  if (row == std::end(kMethods)) {
    std::vector<std::string> known;
    for (const MethodRow& other : kMethods) known.emplace_back(other.name);
    throw BadConfig(unknown_name("method", name, known));
  }
  if (context.backbone == nullptr) throw std::invalid_argument("make_method: the context has no backbone");
  return row->make(std::move(context));
}

}  // namespace nagare::ssl
