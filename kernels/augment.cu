#include "kernels/augment.h"

#include "kernels/augment_steps.h"
#include "kernels/launch.h"

// One block per crop. A pixel of the view belongs to one thread from the resize to the store, so the
// pointwise steps need no barrier; only the contrast (a mean over the view) and the blur (neighbours) look at
// other threads' pixels.
namespace nagare::kernels::cuda {
namespace {

// Views up to 64 x 64 live in shared memory, larger ones in the scratch.
constexpr std::size_t kSharedLimit = 112 * 1024;

__device__ float to_unit(std::uint8_t x) { return static_cast<float>(x) * (1.0F / 255.0F); }
__device__ float to_unit(float x) { return x; }

__device__ void fill_tap_tables(const Augment& p, const AugmentParameters& crop, const AugmentWork& work) {
  const ResizeAxis y{crop.height, static_cast<int>(p.out_height), crop.interpolation, crop.antialias};
  const ResizeAxis x{crop.width, static_cast<int>(p.out_width), crop.interpolation, crop.antialias};
  const std::int64_t taps = augment_taps(p);
  for (int i = static_cast<int>(threadIdx.x); i < y.out + x.out; i += kBlock) {
    if (i < y.out) {
      work.taps_y[i] = fill_taps(y, i, work.weights_y + i * taps);
    } else {
      work.taps_x[i - y.out] = fill_taps(x, i - y.out, work.weights_x + (i - y.out) * taps);
    }
  }
}

// The pixels of one crop's view; thread t owns pixels t, t + kBlock, ...
struct Planes {
  int n;
  float* values;  // 3 x n

  __device__ Rgb get(int i) const { return {values[i], values[n + i], values[2 * n + i]}; }
  __device__ void set(int i, const Rgb& x) const {
    values[i] = x.r;
    values[n + i] = x.g;
    values[2 * n + i] = x.b;
  }
  template <class Step>
  __device__ void apply(const Step& step) const {
    for (int i = static_cast<int>(threadIdx.x); i < n; i += kBlock) set(i, step(get(i)));
  }
};

// Crop, resize, flip and clip into `planes`, some rows of the view at a time: first along columns, from the image's bytes
// to `strip`, where the threads of a warp read neighbouring bytes; then along rows, from `strip`. taps_y + taps_x products
// per value instead of taps_y * taps_x, and each byte is converted once per row that it goes into.
template <class In>
__device__ void fill_planes(const Augment& p, const AugmentParameters& crop, const In* image,
                            const AugmentWork& work, const Planes& planes) {
  const auto height = static_cast<int>(p.out_height);
  const auto width = static_cast<int>(p.out_width);
  const int bytes = 3 * crop.width;  // values of a row of the box
  const int fits = planes.n / bytes;
  float* strip = fits > 1 ? work.temporary : work.row;  // neither is in use before the blur
  const int rows = fits > 1 ? fits : 1;
  const std::int64_t taps = augment_taps(p);
  const std::int64_t first = 3 * static_cast<std::int64_t>(crop.left);  // of the box in a row of the image
  for (int top = 0; top < height; top += rows) {
    const int here = rows < height - top ? rows : height - top;
    for (int e = static_cast<int>(threadIdx.x); e < here * bytes; e += kBlock) {
      const int y = top + e / bytes;
      const std::int64_t column = first + e % bytes;
      const TapRange range = work.taps_y[y];
      float sum = 0.0F;
      for (int k = 0; k < range.count; ++k) {
        const int source = crop.top + range.begin + k;
        if (source < 0 || source >= p.height || column < 0 || column >= 3 * p.width) continue;
        sum += work.weights_y[y * taps + k] * to_unit(image[source * p.width * 3 + column]);
      }
      strip[e] = sum;
    }
    __syncthreads();
    const int begin = top * width;
    const int end = begin + here * width;
    // The first pixel from `begin` on that is this thread's.
    const int mine = begin + (static_cast<int>(threadIdx.x) - begin % kBlock + kBlock) % kBlock;
    for (int i = mine; i < end; i += kBlock) {
      const int x = crop.flip ? width - 1 - i % width : i % width;
      const TapRange range = work.taps_x[x];
      const float* in = strip + (i / width - top) * bytes + 3 * range.begin;
      const float* weights = work.weights_x + x * taps;
      Rgb sum{0.0F, 0.0F, 0.0F};
      for (int k = 0; k < range.count; ++k) {
        sum.r += weights[k] * in[3 * k];
        sum.g += weights[k] * in[3 * k + 1];
        sum.b += weights[k] * in[3 * k + 2];
      }
      planes.set(i, crop.clip ? Rgb{clip_unit(sum.r), clip_unit(sum.g), clip_unit(sum.b)} : sum);
    }
    __syncthreads();  // the next rows overwrite the strip
  }
}

// The mean grey, in every thread; the order of the additions is fixed.
__device__ float mean_grey(const Planes& planes) {
  NAGARE_SHARED(float, partial, [kBlock]);
  float sum = 0.0F;
  for (int i = static_cast<int>(threadIdx.x); i < planes.n; i += kBlock) sum += grey_of(planes.get(i));
  __syncthreads();  // an earlier call's result has been read by all
  partial[threadIdx.x] = sum;
  __syncthreads();
  for (unsigned step = kBlock / 2; step > 0; step /= 2) {
    if (threadIdx.x < step) partial[threadIdx.x] += partial[threadIdx.x + step];
    __syncthreads();
  }
  return partial[0] / static_cast<float>(planes.n);
}

__device__ void jitter(const AugmentParameters& crop, const Planes& planes) {
  for (int part = 0; part < 4; ++part) {
    switch (crop.order[part]) {
      case ColourStep::none:
        break;
      case ColourStep::brightness:
        planes.apply([&](const Rgb& x) { return blend(x, crop.brightness, 0.0F); });
        break;
      case ColourStep::contrast: {
        const float mean = mean_grey(planes);
        planes.apply([&](const Rgb& x) { return blend(x, crop.contrast, mean); });
        break;
      }
      case ColourStep::saturation:
        planes.apply([&](const Rgb& x) { return blend(x, crop.saturation, grey_of(x)); });
        break;
      case ColourStep::hue:
        planes.apply([&](const Rgb& x) { return shift_hue(x, crop.hue); });
        break;
    }
  }
}

__device__ void blur(const Augment& p, const AugmentParameters& crop, const AugmentWork& work,
                     const Planes& planes) {
  const auto height = static_cast<int>(p.out_height);
  const auto width = static_cast<int>(p.out_width);
  const int radius = crop.blur_kernel / 2;
  double sum = 0;
#pragma unroll 1  // the registers that arithmetic in double takes
  for (int k = -radius; k <= radius; ++k) sum += gaussian(k, crop.blur_sigma);
#pragma unroll 1
  for (int k = static_cast<int>(threadIdx.x); k <= 2 * radius; k += kBlock) {
    work.row[k] = static_cast<float>(gaussian(k - radius, crop.blur_sigma) / sum);
  }
  __syncthreads();
  for (int c = 0; c < 3; ++c) {
    float* plane = planes.values + c * planes.n;
    for (int i = static_cast<int>(threadIdx.x); i < planes.n; i += kBlock) {
      const float* row = plane + i / width * width;
      float value = 0.0F;
      for (int k = -radius; k <= radius; ++k)
        value += work.row[k + radius] * row[reflect(i % width + k, width)];
      work.temporary[i] = value;
    }
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < planes.n; i += kBlock) {
      float value = 0.0F;
      for (int k = -radius; k <= radius; ++k) {
        value += work.row[k + radius] * work.temporary[reflect(i / width + k, height) * width + i % width];
      }
      plane[i] = value;
    }
    __syncthreads();
  }
}

template <class In, class Out>
__device__ void augment_crop(const Augment& p, const AugmentParameters& crop, const In* image,
                             const AugmentWork& work, Out* out) {
  const Planes planes{static_cast<int>(p.out_pixels()), work.planes};
  fill_tap_tables(p, crop, work);
  __syncthreads();
  fill_planes(p, crop, image, work, planes);
  jitter(crop, planes);
  if (crop.grayscale) {
    planes.apply([](const Rgb& x) {
      const float grey = grey_of(x);
      return Rgb{grey, grey, grey};
    });
  }
  if (crop.blur_kernel != 0) blur(p, crop, work, planes);
  __syncthreads();
  // Value by value, in the order of the output: a warp writes one run of bytes.
  const float threshold = crop.solarise_threshold;
  const float inverse[3] = {1.0F / crop.std[0], 1.0F / crop.std[1], 1.0F / crop.std[2]};
  for (int j = static_cast<int>(threadIdx.x); j < 3 * planes.n; j += kBlock) {
    const int c = j % 3;
    const float x = solarise(planes.values[c * planes.n + j / 3], threshold);
    const float mean = c == 0 ? crop.mean[0] : c == 1 ? crop.mean[1] : crop.mean[2];
    const float scale = c == 0 ? inverse[0] : c == 1 ? inverse[1] : inverse[2];
    store(out + j, (x - mean) * scale);
  }
}

template <class In, class Out>
__global__ void __launch_bounds__(kBlock, 2)
    augment_crops(Augment p, std::int64_t slot_bytes, bool in_shared, const In* images,
                  const AugmentParameters* crops, Out* out, char* scratch) {
  NAGARE_DYNAMIC_SHARED(float4, shared);
  void* slot = in_shared ? static_cast<void*>(shared) : static_cast<void*>(scratch + blockIdx.x * slot_bytes);
  const AugmentWork work = carve_work(p, slot);
  for (std::int64_t i = blockIdx.x; i < p.crops; i += gridDim.x) {
    const AugmentParameters& crop = crops[i];
    augment_crop(p, crop, images + crop.image * p.height * p.width * 3, work, out + i * p.out_pixels() * 3);
    __syncthreads();  // the next crop overwrites what this one still reads
  }
}

}  // namespace

template <class In, class Out>
void augment(const Augment& p, const In* images, const AugmentParameters* crops, Out* out, void* scratch,
             Stream stream) {
  p.check();
  if (p.crops == 0) return;
  const std::size_t bytes = p.bytes_per_slot();
  const bool in_shared = bytes <= kSharedLimit;
  const unsigned grid = in_shared ? grid_for(p.crops, 1) : static_cast<unsigned>(p.slots);
  launch("augment", augment_crops<In, Out>, grid, kBlock, in_shared ? bytes : 0, stream, p,
         static_cast<std::int64_t>(bytes), in_shared, images, crops, out, static_cast<char*>(scratch));
}

#define NAGARE_INSTANTIATE(In, Out) \
  template void augment(const Augment&, const In*, const AugmentParameters*, Out*, void*, Stream);
NAGARE_INSTANTIATE(std::uint8_t, float)
NAGARE_INSTANTIATE(std::uint8_t, bf16)
NAGARE_INSTANTIATE(float, float)
NAGARE_INSTANTIATE(float, bf16)
#undef NAGARE_INSTANTIATE

}  // namespace nagare::kernels::cuda
