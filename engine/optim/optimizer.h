#pragma once
// Optimisers: they read grad() of every parameter and change the parameters in place.
//
//   p parameter, g gradient, wd weight decay, mu momentum, lr the learning rate given to step()
//   sgd     d = g + wd p;  m = mu m + (1 - dampening) d (first step: m = d);  p -= lr (nesterov: d + mu m, else m)
//   lars    sgd whose d is scaled per tensor by a trust ratio of norms, see LarsOptions
//   adam    g += wd p;  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;
//           p -= lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon)
//   adamw   p -= lr wd p first, then adam with plain g
//
// A parameter whose gradient is undefined is skipped: no decay, no momentum, and its own count t stands
// still. Parameters, gradients and state are f32 on one device; all tensors are updated together by
// multi-tensor kernels. Results are bit-identical from run to run and for any number of threads.
//
// source  PyTorch's torch.optim; LARS: You et al., arXiv:1708.03888; the variants are those of published code
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/nn/state.h"

namespace nagare::optim {

// Which published LARS, as they differ in more than constants:
//   emp      solo-learn's rule with the EMP-SSL settings as defaults
//   solo     d = (g + wd p) q, q = eta |p| / (|g| + wd |p| + 1e-8); clip: q = min(q / lr, 1). Excluded or with
//            a zero norm: d = g, undecayed
//   lightly  as solo, never clipped; a tensor is excluded when its weight decay is 0
//   fair     d = (g + wd p) eta |p| / |g + wd p| (ratio 1 where a norm is 0). Excluded: d = g (Barlow Twins,
//            VICReg)
//   ucl      m = mu m + lr (eta |p| / (|g| + wd |p|)) (g + wd p);  p -= m
//   google   classic: m = mu m + lr (eta |p| / |g + wd p|) (g + wd p), p -= m (nesterov: mu m + the same again);
//            otherwise the ratio of |p| to the norm of the step scales the step (TensorFlow's SimCLR)
struct LarsOptions {
  std::string variant = "emp";
  double eta = 0.005;
  bool clip = true;  // solo, emp
  // Neither decayed nor scaled (ucl has no exclusions; lightly: see above).
  bool exclude_bias_and_norm = true;
  bool classic = true;  // google
};

struct OptimizerOptions {
  std::string name = "sgd";  // a row of optimizers()
  double momentum = 0.9;     // sgd, lars; 0 <= momentum < 1
  bool nesterov = false;     // sgd, lars
  double dampening = 0.0;    // sgd
  double weight_decay = 0.0;
  bool decay_bias_and_norm = false;  // false: weight decay applies to Role::weight only
  LarsOptions lars = {};
  double beta1 = 0.9;     // adam, adamw
  double beta2 = 0.999;   // adam, adamw
  double epsilon = 1e-8;  // adam, adamw
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // One update with the gradients at hand. std::invalid_argument for a rate that is negative or not finite,
  // or a gradient that does not fit its parameter.
  virtual void step(double learning_rate) = 0;
  // Momenta under the parameters' names ("momentum.NAME"), and "steps": how often each parameter was updated.
  virtual void list_state(nn::StateList& list) const = 0;

  // As if just made: every momentum and count is 0. Parameters stay.
  void restart() const;
  void clear_gradients() const;
  const std::vector<nn::StateEntry>& parameters() const { return parameters_; }

 protected:
  explicit Optimizer(std::vector<nn::StateEntry> parameters);

 private:
  std::vector<nn::StateEntry> parameters_;
};

// errors  BadConfig for an unknown name or variant or a value out of range; std::invalid_argument for parameters
//         that are not f32 leaves of the tape on one device
std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options,
                                          std::vector<nn::StateEntry> parameters);

// Which of the options of some rules alone a rule looks at; a sum of these in its row. All look at the weight decay, and at
// decay_bias_and_norm unless they exclude biases and norms.
enum OptimizerUse : unsigned {
  kUsesMomentum = 1,    // momentum and nesterov
  kUsesDampening = 2,   // dampening
  kUsesBetas = 4,       // beta1, beta2 and epsilon
  kUsesTrustRatio = 8,  // variant and eta of LARS
  kUsesClip = 16,       // of LARS: clip
  kUsesExclusion = 32,  // of LARS: exclude_bias_and_norm
};

struct OptimizerRow {
  const char* name;
  const char* summary;
  const char* source;
  unsigned uses = 0;
};
std::span<const OptimizerRow> optimizers();
std::span<const OptimizerRow> lars_variants();

}  // namespace nagare::optim
