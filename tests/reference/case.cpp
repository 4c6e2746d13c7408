#include "tests/reference/case.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "engine/autograd/tape.h"
#include "engine/device/errors.h"
#include "engine/io/state_io.h"
#include "kernels/bf16.h"

namespace nagare::reference {
namespace {

bool is_result(const std::string& name) { return name.starts_with("out.") || name.starts_with("grad."); }

Tensor rounded_to_bf16(const Tensor& host) {
  const Tensor out = Tensor::empty(host.shape(), {.dtype = DType::bf16});
  for (std::int64_t i = 0; i < host.numel(); ++i) out.data<bf16>()[i] = bf16(host.data<float>()[i]);
  return out;
}

// NCHW <-> NHWC is the same turn of axes as OIHW <-> OHWI.
Tensor channels_last(const Tensor& host) { return io::oihw_to_ohwi(host); }
Tensor channels_first(const Tensor& host) { return io::ohwi_to_oihw(host); }

std::vector<double> as_doubles(const Tensor& t) {
  if (t.dtype() == DType::f64) return t.to_vector<double>();
  if (t.dtype() == DType::i64) {
    const std::vector<std::int64_t> values = t.to_vector<std::int64_t>();
    return {values.begin(), values.end()};
  }
  if (t.dtype() == DType::u8) {
    const std::vector<std::uint8_t> values = t.to_vector<std::uint8_t>();
    return {values.begin(), values.end()};
  }
  const std::vector<float> values = t.to_vector<float>();
  return {values.begin(), values.end()};
}

Tensor leaf(Tensor t) { return t.set_requires_grad(true); }

}  // namespace

std::string Case::text_of(const std::string& key) const {
  const auto found = file_.metadata().find(key);
  if (found == file_.metadata().end()) throw BadData(file_.name() + ": no metadata '" + key + "'");
  return found->second;
}

double Case::tolerance(const std::string& name) const {
  const std::string text = text_of((settings_.precision == DType::f32 ? "tol_f32:" : "tol_bf16:") + name);
  return text == "n/a" ? std::numeric_limits<double>::quiet_NaN() : std::stod(text);
}

double Case::scale(const std::string& name) const { return std::stod(text_of("scale:" + name)); }

bool Case::is_meaningless() const {
  for (const io::TensorInfo& t : file_.tensors()) {
    if (is_result(t.name) && t.dtype == "F64" && !std::isnan(tolerance(t.name))) return false;
  }
  // A case of integers alone has no tolerances; it is compared in f32.
  return settings_.precision == DType::bf16;
}

Tensor Case::input(const std::string& name) const { return file_.load("in." + name).to(settings_.device); }

Tensor Case::activation(const std::string& name) const {
  const Tensor host = file_.load("in." + name);
  return leaf((settings_.precision == DType::bf16 ? rounded_to_bf16(host) : host).to(settings_.device));
}

Tensor Case::parameter(const std::string& name) const { return leaf(input(name)); }

Tensor Case::image(const std::string& name) const {
  const Tensor host = channels_last(file_.load("in." + name));
  return leaf((settings_.precision == DType::bf16 ? rounded_to_bf16(host) : host).to(settings_.device));
}

Tensor Case::conv_weight(const std::string& name) const {
  return leaf(channels_last(file_.load("in." + name)).to(settings_.device));
}

std::vector<std::string> Case::inputs(const std::string& prefix) const {
  std::vector<std::string> names;
  for (const io::TensorInfo& t : file_.tensors()) {
    if (t.name.starts_with("in." + prefix)) names.push_back(t.name.substr(3));
  }
  return names;
}

double Case::number(const std::string& key) const { return std::stod(text_of("hp:" + key)); }
std::string Case::text(const std::string& key) const { return text_of("hp:" + key); }

std::vector<double> Case::numbers(const std::string& key) const {
  return nlohmann::json::parse(text(key)).get<std::vector<double>>();
}

std::vector<std::string> Case::words(const std::string& key) const {
  std::istringstream text_stream(text(key));
  std::vector<std::string> list;
  for (std::string word; std::getline(text_stream, word, ',');) list.push_back(word);
  return list;
}

void Case::check(const std::string& name, const Tensor& got, Layout layout) {
  checked_.insert(name);
  const Tensor want = file_.load(name);
  const Tensor host = got.detach().to(Device::cpu);
  const Tensor turned =
      layout == Layout::channels_last && host.shape().rank() == 4 ? channels_first(host) : host;
  ASSERT_EQ(turned.numel(), want.numel())
      << name << ": got " << to_string(turned.shape()) << ", want " << to_string(want.shape());
  const bool exact = want.dtype() != DType::f64;
  const double tolerance_of_name = exact ? 0.0 : tolerance(name);
  if (std::isnan(tolerance_of_name)) return;  // n/a in this precision
  const double limit = exact ? 0.0 : tolerance_of_name * scale(name) * widening_;
  const std::vector<double> a = as_doubles(turned);
  const std::vector<double> b = as_doubles(want);
  double worst = 0.0;
  std::size_t where = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double error = a[i] == b[i] ? 0.0 : std::abs(a[i] - b[i]);
    if (error <= worst) continue;
    worst = error;
    where = i;
    if (std::isnan(error)) break;
  }
  const double ratio =
      limit > 0.0 ? worst / limit : (worst == 0.0 ? 0.0 : std::numeric_limits<double>::infinity());
  if (!(ratio <= worst_ratio_)) {
    worst_ratio_ = ratio;
    worst_name_ = name;
  }
  EXPECT_TRUE(worst <= limit) << name << ": element " << where << " is " << a[where] << ", want " << b[where]
                              << ": |difference| " << worst << " is " << ratio << " times the allowed "
                              << limit;
}

void Case::check_gradient(const std::string& name, const Tensor& leaf_tensor, Layout layout) {
  if (!has_result("grad." + name)) return;
  const Tensor gradient = leaf_tensor.grad();
  check("grad." + name, gradient.defined() ? gradient : zeros_like(leaf_tensor), layout);
}

void Case::backward(const Tensor& output, const std::string& name, Layout layout) const {
  if (has_input("grad_" + name)) backward_from(output, "grad_" + name, layout);
}

void Case::backward_from(const Tensor& output, const std::string& name, Layout layout) const {
  const Tensor host = file_.load("in." + name);
  const Tensor turned =
      layout == Layout::channels_last && host.shape().rank() == 4 ? channels_last(host) : host;
  const Tensor seed = (output.dtype() == DType::bf16 ? rounded_to_bf16(turned) : turned).to(settings_.device);
  tape::backward(output, seed);
}

void Case::finish() const {
  for (const io::TensorInfo& t : file_.tensors()) {
    if (is_result(t.name) && !checked_.contains(t.name)) ADD_FAILURE() << t.name << " was not compared";
  }
  if (testing::Test::HasFailure()) {
    ADD_FAILURE() << "worst error / tolerance of the case: " << worst_ratio_ << " (" << worst_name_ << ")";
  }
}

void finish_loss(Case& c, const Tensor& loss, const std::vector<std::pair<std::string, Tensor>>& leaves) {
  c.check("out.loss", loss);
  tape::backward(loss);
  for (const auto& [name, leaf] : leaves) c.check_gradient(name, leaf);
}

}  // namespace nagare::reference
