#include "ssl/data/fractal_system.h"

#include <algorithm>
#include <bitset>
#include <cmath>
#include <numbers>

#include "kernels/philox.h"
#include "ssl/data/drawn.h"

namespace nagare::ssl {
namespace {

constexpr double kMaxContraction = 0.95;  // slower maps need longer walks than a picture gets
constexpr double kMinDeterminant = 0.02;  // flatter maps draw lines
constexpr double kFillingRate = 0.2;      // FractalDB's threshold
constexpr double kPerturbation =
    0.15;  // an instance's coefficients are its class's times 1 - this .. 1 + this

// Draws for the description of an image, apart from those of its walkers (views 0 to 2^20 - 1).
constexpr std::uint32_t kClassView = 0x80000000U;
constexpr std::uint32_t kInstanceView = 0x80000001U;
constexpr std::uint32_t kProbeView = 0x80000002U;

double determinant(const AffineMap& map) { return map.a[0] * map.a[3] - map.a[1] * map.a[2]; }

// Cumulative probabilities of the maps, proportional to |det|, as 32-bit thresholds.
std::vector<std::uint32_t> thresholds(const FractalSystem& system) {
  double total = 0.0;
  for (const AffineMap& map : system) total += std::abs(determinant(map));
  std::vector<std::uint32_t> upto;
  double sum = 0.0;
  for (const AffineMap& map : system) {
    sum += std::abs(determinant(map));
    upto.push_back(static_cast<std::uint32_t>(std::min(sum / total, 1.0) * 4294967295.0));
  }
  upto.back() = 0xFFFFFFFFU;
  return upto;
}

struct Point {
  double x;
  double y;
};

// Points of the attractor.
std::vector<Point> walk(const FractalSystem& system, std::size_t points, const RandomKey& key) {
  const std::vector<std::uint32_t> upto = thresholds(system);
  Philox random(key);
  Point at{0.0, 0.0};
  std::vector<Point> path;
  for (std::size_t i = 0; i < points + kernels::kFractalSettle; ++i) {
    const auto m =
        static_cast<std::size_t>(std::lower_bound(upto.begin(), upto.end(), random.next()) - upto.begin());
    const AffineMap& map = system[m];
    at = {map.a[0] * at.x + map.a[1] * at.y + map.t[0], map.a[2] * at.x + map.a[3] * at.y + map.t[1]};
    if (i >= kernels::kFractalSettle) path.push_back(at);
  }
  return path;
}

AffineMap draw_map(Philox& random) {
  AffineMap map{};
  do {
    for (double& value : map.a) value = random.uniform(-1.0F, 1.0F);
  } while (contraction(map) > kMaxContraction || std::abs(determinant(map)) < kMinDeterminant);
  for (double& value : map.t) value = random.uniform(-1.0F, 1.0F);
  return map;
}

// The class's system with every coefficient a little off; maps that no longer contract are scaled back.
FractalSystem perturbed(FractalSystem system, Philox& random) {
  for (AffineMap& map : system) {
    for (double& value : map.a) value *= random.uniform(1.0F - kPerturbation, 1.0F + kPerturbation);
    for (double& value : map.t) value *= random.uniform(1.0F - kPerturbation, 1.0F + kPerturbation);
    const double rate = contraction(map);
    if (rate > kMaxContraction) {
      for (double& value : map.a) value *= kMaxContraction / rate;
    }
  }
  return system;
}

std::int64_t fixed(double value) {
  return static_cast<std::int64_t>(std::llround(value * (1 << kernels::kFractalBits)));
}

// Plane to pixels: the figure's centre of mass comes near the picture's centre, its mean radius to a share of
// the size.
void set_view(kernels::FractalImage& image, const std::vector<Point>& points, double size, Philox& random) {
  const auto n = static_cast<double>(points.size());
  Point centre{0.0, 0.0};
  for (const Point& p : points) centre = {centre.x + p.x / n, centre.y + p.y / n};
  double square = 0.0;
  for (const Point& p : points)
    square += ((p.x - centre.x) * (p.x - centre.x) + (p.y - centre.y) * (p.y - centre.y)) / n;
  const double radius = std::max(std::sqrt(square), 1e-3);

  const double scale = size * random.uniform(0.22F, 0.34F) / radius;
  const double angle = random.uniform(-0.5F, 0.5F);  // radians
  const double mirror = random.uniform() < 0.5F ? -1.0 : 1.0;
  const double to_x = size * random.uniform(0.4F, 0.6F);
  const double to_y = size * random.uniform(0.4F, 0.6F);
  const double c = scale * std::cos(angle);
  const double s = scale * std::sin(angle);
  const double view[6] = {mirror * c, -s, to_x - (mirror * c * centre.x - s * centre.y),
                          mirror * s, c,  to_y - (mirror * s * centre.x + c * centre.y)};
  std::transform(view, view + 6, image.view, fixed);
}

// A bright figure on a dark ground.
void set_colours(kernels::FractalImage& image, Philox& random) {
  draw_tinted_grey(random, 0, 70, image.background);
  draw_tinted_grey(random, 110, 190, image.low);
  draw_tinted_grey(random, 170, 255, image.high);
}

}  // namespace

double contraction(const AffineMap& map) {
  const double squares =
      map.a[0] * map.a[0] + map.a[1] * map.a[1] + map.a[2] * map.a[2] + map.a[3] * map.a[3];
  const double det = determinant(map);
  return std::sqrt((squares + std::sqrt(std::max(squares * squares - 4.0 * det * det, 0.0))) / 2.0);
}

double filling_rate(const FractalSystem& system, std::uint64_t seed) {
  constexpr int kGrid = 32;
  const std::vector<Point> points =
      walk(system, 2048, {.seed = seed, .purpose = Purpose::fractal, .view = kProbeView});
  const auto [left, right] =
      std::minmax_element(points.begin(), points.end(), [](auto& p, auto& q) { return p.x < q.x; });
  const auto [top, bottom] =
      std::minmax_element(points.begin(), points.end(), [](auto& p, auto& q) { return p.y < q.y; });
  const double side = std::max({right->x - left->x, bottom->y - top->y, 1e-9});
  std::bitset<kGrid * kGrid> touched;
  for (const Point& p : points) {
    const int column = std::min(static_cast<int>((p.x - left->x) / side * kGrid), kGrid - 1);
    const int row = std::min(static_cast<int>((p.y - top->y) / side * kGrid), kGrid - 1);
    touched.set(static_cast<std::size_t>(row * kGrid + column));
  }
  return static_cast<double>(touched.count()) / (kGrid * kGrid);
}

FractalSystem fractal_class(std::uint64_t seed, std::uint32_t index) {
  for (std::uint32_t attempt = 0;; ++attempt) {
    Philox random(
        {.seed = seed, .purpose = Purpose::fractal, .step = index, .sample = attempt, .view = kClassView});
    FractalSystem system;
    const std::uint32_t maps = 2 + random.below(kernels::kFractalMaps - 1);
    for (std::uint32_t m = 0; m < maps; ++m) system.push_back(draw_map(random));
    if (filling_rate(system, seed) >= kFillingRate) return system;
  }
}

kernels::FractalImage fractal_instance(const FractalSystem& system, std::uint64_t seed, std::uint32_t index,
                                       std::uint32_t instance, std::int64_t size) {
  const RandomKey key{
      .seed = seed, .purpose = Purpose::fractal, .step = index, .sample = instance, .view = kInstanceView};
  Philox random(key);
  const FractalSystem own = perturbed(system, random);
  kernels::FractalImage image{};
  image.seed = seed;
  image.step = index;
  image.sample = instance;
  const std::vector<std::uint32_t> upto = thresholds(own);
  for (std::size_t m = 0; m < own.size(); ++m) {
    const AffineMap& map = own[m];
    const auto whole = [](double value) { return static_cast<std::int32_t>(fixed(value)); };
    image.maps[m] = {whole(map.a[0]), whole(map.a[1]),
                     whole(map.a[2]), whole(map.a[3]),
                     whole(map.t[0]), whole(map.t[1]),
                     upto[m],         static_cast<std::uint32_t>(255 * m / (own.size() - 1))};
  }
  RandomKey probe = key;
  probe.view = kProbeView;
  set_view(image, walk(own, 512, probe), static_cast<double>(size), random);
  set_colours(image, random);
  return image;
}

}  // namespace nagare::ssl
