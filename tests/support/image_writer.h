#pragma once
// Small image files for tests, written with the same libraries that read them, and by hand where a file must
// be odd.
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace nagare::test {

// Interleaved 8-bit samples.
struct Picture {
  int width = 0;
  int height = 0;
  int channels = 3;
  std::vector<std::uint8_t> samples;
};

// sample(x, y, channel)
Picture make_picture(int width, int height, int channels, const std::function<int(int, int, int)>& sample);

enum class JpegInks { plain, cmyk, adobe_cmyk, adobe_ycck };
struct JpegOptions {
  int orientation = 0;  // 0: no EXIF
  bool progressive = false;
  JpegInks inks = JpegInks::plain;  // the others need 4 channels
};
// Quality 100, no chroma subsampling.
std::string jpeg_file(const Picture& picture, const JpegOptions& options = {});

// 1 to 4 channels, 8 bits; 16-bit samples repeat the byte (v * 257).
struct PngOptions {
  bool sixteen_bits = false;
  bool interlaced = false;
  int orientation = 0;  // 0: no eXIf chunk
};
std::string png_file(const Picture& picture, const PngOptions& options = {});
// One channel of indices into a palette of RGB triples; alpha (may be empty) per index.
std::string palette_png_file(const Picture& indices, const std::vector<std::uint8_t>& palette,
                             const std::vector<std::uint8_t>& alpha);

std::string bmp_file(const Picture& picture);                           // 3 channels
std::string pnm_file(const Picture& picture);                           // 1 or 3 channels
std::string tga_file(const Picture& picture, bool run_length = false);  // 3 channels

}  // namespace nagare::test
