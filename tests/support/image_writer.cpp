#include "tests/support/image_writer.h"

// jpeglib.h needs size_t and FILE declared before it.
// clang-format off
#include <cstdio>
#include <jpeglib.h>
// clang-format on

#include <png.h>

#include <cstdlib>

namespace nagare::test {
namespace {

// A TIFF structure with nothing but the orientation.
std::string orientation_tiff(int orientation) {
  std::string tiff("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0", 18);
  tiff += static_cast<char>(orientation);
  tiff.append(7, '\0');
  return tiff;
}

void put(std::string& bytes, std::uint32_t value, int count) {
  for (int i = 0; i < count; ++i) bytes += static_cast<char>(value >> (8 * i) & 255U);
}

void append_png_bytes(png_structp png, png_bytep data, std::size_t count) {
  static_cast<std::string*>(png_get_io_ptr(png))->append(reinterpret_cast<const char*>(data), count);
}

// Writes what `describe` has set up; rows of `row_bytes`.
std::string write_png(std::size_t row_bytes, int height, std::vector<std::uint8_t> rows,
                      const std::function<void(png_structp, png_infop)>& describe) {
  std::string bytes;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(png, &bytes, append_png_bytes, nullptr);
  describe(png, info);
  std::vector<png_bytep> pointers;
  for (int y = 0; y < height; ++y) pointers.push_back(rows.data() + static_cast<std::size_t>(y) * row_bytes);
  png_set_rows(png, info, pointers.data());
  png_write_png(png, info, PNG_TRANSFORM_IDENTITY, nullptr);
  png_destroy_write_struct(&png, &info);
  return bytes;
}

}  // namespace

Picture make_picture(int width, int height, int channels, const std::function<int(int, int, int)>& sample) {
  Picture picture{.width = width, .height = height, .channels = channels, .samples = {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c)
        picture.samples.push_back(static_cast<std::uint8_t>(sample(x, y, c)));
    }
  }
  return picture;
}

std::string jpeg_file(const Picture& picture, const JpegOptions& options) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* memory = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &memory, &size);
  info.image_width = static_cast<JDIMENSION>(picture.width);
  info.image_height = static_cast<JDIMENSION>(picture.height);
  info.input_components = picture.channels;
  info.in_color_space = picture.channels == 1 ? JCS_GRAYSCALE : picture.channels == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&info);
  if (options.inks == JpegInks::adobe_ycck) jpeg_set_colorspace(&info, JCS_YCCK);
  if (options.inks == JpegInks::cmyk) info.write_Adobe_marker = FALSE;
  if (options.inks == JpegInks::adobe_cmyk) info.write_Adobe_marker = TRUE;
  jpeg_set_quality(&info, 100, TRUE);
  for (int c = 0; c < info.num_components; ++c)
    info.comp_info[c].h_samp_factor = info.comp_info[c].v_samp_factor = 1;
  if (options.progressive) jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  if (options.orientation > 0) {
    const std::string exif = std::string("Exif\0\0", 6) + orientation_tiff(options.orientation);
    jpeg_write_marker(&info, JPEG_APP0 + 1, reinterpret_cast<const JOCTET*>(exif.data()),
                      static_cast<unsigned>(exif.size()));
  }
  for (int y = 0; y < picture.height; ++y) {
    auto* row = const_cast<JSAMPLE*>(picture.samples.data() +
                                     static_cast<std::ptrdiff_t>(y) * picture.width * picture.channels);
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  std::string bytes(reinterpret_cast<const char*>(memory), size);
  std::free(memory);
  return bytes;
}

std::string png_file(const Picture& picture, const PngOptions& options) {
  constexpr int kTypes[] = {0, PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB,
                            PNG_COLOR_TYPE_RGB_ALPHA};
  std::vector<std::uint8_t> rows;
  for (const std::uint8_t sample : picture.samples)
    rows.insert(rows.end(), options.sixteen_bits ? 2 : 1, sample);
  const std::size_t row_bytes = rows.size() / static_cast<std::size_t>(picture.height);
  return write_png(row_bytes, picture.height, std::move(rows), [&](png_structp png, png_infop info) {
    png_set_IHDR(png, info, static_cast<png_uint_32>(picture.width), static_cast<png_uint_32>(picture.height),
                 options.sixteen_bits ? 16 : 8, kTypes[picture.channels],
                 options.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    if (options.orientation == 0) return;
    std::string exif = orientation_tiff(options.orientation);
    png_set_eXIf_1(png, info, static_cast<png_uint_32>(exif.size()),
                   reinterpret_cast<png_bytep>(exif.data()));
  });
}

std::string palette_png_file(const Picture& indices, const std::vector<std::uint8_t>& palette,
                             const std::vector<std::uint8_t>& alpha) {
  return write_png(static_cast<std::size_t>(indices.width), indices.height, indices.samples,
                   [&](png_structp png, png_infop info) {
                     png_set_IHDR(png, info, static_cast<png_uint_32>(indices.width),
                                  static_cast<png_uint_32>(indices.height), 8, PNG_COLOR_TYPE_PALETTE,
                                  PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
                     std::vector<png_color> colours;
                     for (std::size_t i = 0; i < palette.size(); i += 3)
                       colours.push_back({palette[i], palette[i + 1], palette[i + 2]});
                     png_set_PLTE(png, info, colours.data(), static_cast<int>(colours.size()));
                     if (!alpha.empty())
                       png_set_tRNS(png, info, alpha.data(), static_cast<int>(alpha.size()), nullptr);
                   });
}

std::string bmp_file(const Picture& picture) {
  const int row = (picture.width * 3 + 3) / 4 * 4;
  std::string bytes = "BM";
  put(bytes, static_cast<std::uint32_t>(54 + row * picture.height), 4);
  put(bytes, 0, 4);
  put(bytes, 54, 4);
  put(bytes, 40, 4);
  put(bytes, static_cast<std::uint32_t>(picture.width), 4);
  put(bytes, static_cast<std::uint32_t>(picture.height), 4);
  put(bytes, 1, 2);
  put(bytes, 24, 2);
  bytes.append(24, '\0');
  for (int y = picture.height - 1; y >= 0; --y) {  // from the bottom, blue first
    for (int x = 0; x < picture.width; ++x) {
      for (int c = 2; c >= 0; --c) {
        bytes +=
            static_cast<char>(picture.samples[static_cast<std::size_t>((y * picture.width + x) * 3 + c)]);
      }
    }
    bytes.append(static_cast<std::size_t>(row - picture.width * 3), '\0');
  }
  return bytes;
}

std::string pnm_file(const Picture& picture) {
  std::string bytes = picture.channels == 1 ? "P5" : "P6";
  bytes += "\n# made by a test\n" + std::to_string(picture.width) + " " + std::to_string(picture.height) +
           "\n255\n";
  return bytes.append(picture.samples.begin(), picture.samples.end());
}

std::string tga_file(const Picture& picture, bool run_length) {
  std::string bytes;
  put(bytes, run_length ? 0x0A0000 : 0x020000, 3);
  bytes.append(9, '\0');
  put(bytes, static_cast<std::uint32_t>(picture.width), 2);
  put(bytes, static_cast<std::uint32_t>(picture.height), 2);
  put(bytes, 0x2018, 2);  // 24 bits, from the top
  for (std::size_t i = 0; i < picture.samples.size(); i += 3) {
    if (run_length) bytes += '\x80';  // runs of one
    for (std::size_t c = 3; c-- > 0;) bytes += static_cast<char>(picture.samples[i + c]);
  }
  return bytes;
}

}  // namespace nagare::test
