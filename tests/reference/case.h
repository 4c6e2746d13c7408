#pragma once
// One reference file as a test sees it: inputs on the device under test, hyper-parameters, and comparisons
// whose tolerances come from the file. See README.md of the reference data for the format.
//
//   void linear_case(Case& c) {
//     const Tensor x = c.activation("x");                      // f32 or bf16, as --precision says; a leaf of
//     the tape const Tensor w = c.parameter("w");                       // f32 always const Tensor y =
//     linear(x, w, c.has_input("b") ? c.parameter("b") : Tensor()); c.check("out.y", y); c.backward(y, "y");
//     // with in.grad_y as upstream gradient c.check_gradient("x", x); ...
//   }
//
// Files hold images as NCHW and convolution weights as OIHW, memory as NHWC and OHWI: `image`, `conv_weight`
// and the Layout of a check turn them. Every out.* and grad.* tensor must be checked, or named in
// not_exposed().
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/io/safetensors.h"
#include "engine/tensor/tensor.h"

namespace nagare::reference {

struct Settings {
  Device device = Device::cpu;
  DType precision = DType::f32;  // f32 or bf16
};

// How the checked tensor lies in memory; the file's order is NCHW / OIHW.
enum class Layout { same, channels_last };

class Case {
 public:
  Case(io::SafetensorsFile file, const Settings& settings) : file_(std::move(file)), settings_(settings) {}

  std::string op() const { return text_of("op"); }
  Device device() const { return settings_.device; }
  DType precision() const { return settings_.precision; }
  // True when the tolerances of all outputs are n/a in this precision.
  bool is_meaningless() const;

  bool has_input(const std::string& name) const { return file_.find("in." + name) != nullptr; }
  // in.NAME as it stands in the file (f32, i64 or u8), on the device; no gradient.
  Tensor input(const std::string& name) const;
  // in.NAME in the precision under test, on the device, and a leaf of the tape.
  Tensor activation(const std::string& name) const;
  // in.NAME in f32, on the device, and a leaf of the tape.
  Tensor parameter(const std::string& name) const;
  // The same, turned from NCHW to NHWC / from OIHW to OHWI.
  Tensor image(const std::string& name) const;
  Tensor conv_weight(const std::string& name) const;
  // Names of the inputs that begin with `prefix`, without "in.".
  std::vector<std::string> inputs(const std::string& prefix = "") const;

  // Hyper-parameters (`hp:KEY`). number() and text() throw BadData when the file has no such key.
  bool has(const std::string& key) const { return file_.metadata().contains("hp:" + key); }
  double number(const std::string& key) const;
  double number(const std::string& key, double fallback) const { return has(key) ? number(key) : fallback; }
  std::int64_t integer(const std::string& key) const { return static_cast<std::int64_t>(number(key)); }
  std::int64_t integer(const std::string& key, std::int64_t fallback) const {
    return has(key) ? integer(key) : fallback;
  }
  bool flag(const std::string& key, bool fallback = false) const {
    return has(key) ? number(key) != 0.0 : fallback;
  }
  std::string text(const std::string& key) const;
  std::vector<double> numbers(const std::string& key) const;     // a JSON list
  std::vector<std::string> words(const std::string& key) const;  // comma-separated

  // Whether the file has this output ("out.loss") or gradient ("grad.x").
  bool has_result(const std::string& name) const { return file_.find(name) != nullptr; }
  // A tensor by its full name, as the file has it, on the CPU.
  Tensor tensor(const std::string& name) const { return file_.load(name); }
  // Compares with the file's tensor of that name; a mismatch is a test failure that tells the ratio of error
  // to tolerance. Integers are compared exactly.
  void check(const std::string& name, const Tensor& got, Layout layout = Layout::same);
  // check("grad.NAME", leaf.grad()), when the file has that gradient. A gradient that never came counts as
  // zero.
  void check_gradient(const std::string& name, const Tensor& leaf, Layout layout = Layout::same);
  // This result is not visible outside the op under test.
  void not_exposed(const std::string& name) { checked_.insert(name); }
  // backward() from `output` with in.grad_NAME as the upstream gradient; nothing when the file has none.
  void backward(const Tensor& output, const std::string& name, Layout layout = Layout::same) const;
  // backward() from `output` with in.NAME, whatever it is called, as the upstream gradient.
  void backward_from(const Tensor& output, const std::string& name, Layout layout = Layout::same) const;

  // Multiplies the bf16 tolerances of what is checked from here on; f32 stays as it is. Say why where you call it.
  void widen_bf16(double factor) { widening_ = settings_.precision == DType::bf16 ? factor : 1.0; }

  // After the handler: fails for results nobody looked at; on failure prints the worst ratio of error to
  // tolerance.
  void finish() const;

 private:
  std::string text_of(const std::string& key) const;
  // In the precision under test: a tensor's tolerance, or NaN when it is n/a.
  double tolerance(const std::string& name) const;
  double scale(const std::string& name) const;

  io::SafetensorsFile file_;
  Settings settings_;
  std::set<std::string> checked_;
  double widening_ = 1.0;
  double worst_ratio_ = 0.0;
  std::string worst_name_;
};

// Checks out.loss, goes backward from it, and checks the gradient of every leaf.
void finish_loss(Case& c, const Tensor& loss, const std::vector<std::pair<std::string, Tensor>>& leaves);

}  // namespace nagare::reference
