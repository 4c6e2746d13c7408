// jpeglib.h needs size_t and FILE declared before it.
// clang-format off
#include <cstdio>
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include <algorithm>
#include <csetjmp>
#include <string>

#include "engine/device/errors.h"
#include "ssl/data/image_formats.h"

namespace nagare::ssl {
namespace {

// A progressive file can hold thousands of scans, each over the whole picture: bounded in number, and together.
constexpr int kMaxScans = 500;
// libjpeg's own tables; all coefficients of a progressive file of the most pixels are 400 MB.
constexpr long kMaxMemory = 512L << 20;

struct Errors {
  jpeg_error_mgr base;  // first: libjpeg hands back a pointer to it
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
};

struct Progress {
  jpeg_progress_mgr base;  // first: libjpeg hands back a pointer to it
  std::int64_t max_scanned_pixels;
};

[[noreturn]] void on_error(j_common_ptr info) {
  auto* errors = reinterpret_cast<Errors*>(info->err);
  info->err->format_message(info, errors->message);
  std::longjmp(errors->jump, 1);
}

// libjpeg only warns where data are missing or damaged and makes pixels up; those warnings end the decoding.
// Harmless ones, found in many good files, do not.
void on_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  switch (info->err->msg_code) {
    case JWRN_ADOBE_XFORM:
    case JWRN_BOGUS_ICC:
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_JFIF_MAJOR:
    case JWRN_TOO_MUCH_DATA:
      return;
    default:
      on_error(info);
  }
}

void on_progress(j_common_ptr info) {
  const auto* decoder = reinterpret_cast<j_decompress_ptr>(info);
  const std::int64_t scans = decoder->input_scan_number;
  const std::int64_t pixels = std::int64_t{decoder->image_width} * decoder->image_height;
  const std::int64_t most = reinterpret_cast<const Progress*>(info->progress)->max_scanned_pixels;
  if (scans <= kMaxScans && scans * pixels <= most) return;
  auto* errors = reinterpret_cast<Errors*>(info->err);
  std::snprintf(errors->message, sizeof errors->message,
                "more than %d scans, or than %lld pixels in all of them", kMaxScans,
                static_cast<long long>(most));
  std::longjmp(errors->jump, 1);
}

// A decoder that is destroyed whatever happens. The steps return false after an error; none has locals that a
// longjmp would skip the destructors of.
class Decoder {
 public:
  explicit Decoder(const DecodeLimits& limits) {
    info_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = on_error;
    errors_.base.emit_message = on_message;
    progress_.base.progress_monitor = on_progress;
    progress_.max_scanned_pixels = limits.max_scanned_pixels;
  }
  ~Decoder() { jpeg_destroy_decompress(&info_); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  bool read_header(FileBytes file) {
    if (setjmp(errors_.jump) != 0) return false;
    jpeg_create_decompress(&info_);
    info_.progress = &progress_.base;
    info_.mem->max_memory_to_use = kMaxMemory;
    jpeg_mem_src(&info_, file.data(), file.size());
    jpeg_save_markers(&info_, JPEG_APP0 + 1, 0xFFFF);
    return jpeg_read_header(&info_, TRUE) == JPEG_HEADER_OK;
  }
  // Output is RGB or, for files of four inks, CMYK.
  bool start(unsigned denominator) {
    if (setjmp(errors_.jump) != 0) return false;
    const bool inks = info_.jpeg_color_space == JCS_CMYK || info_.jpeg_color_space == JCS_YCCK;
    info_.out_color_space = inks ? JCS_CMYK : JCS_RGB;
    info_.scale_num = 1;
    info_.scale_denom = denominator;
    return jpeg_start_decompress(&info_) != FALSE;
  }
  bool read_row(std::uint8_t* row) {
    if (setjmp(errors_.jump) != 0) return false;
    JSAMPROW rows[1] = {row};
    return jpeg_read_scanlines(&info_, rows, 1) == 1;
  }
  bool finish() {
    if (setjmp(errors_.jump) != 0) return false;
    return jpeg_finish_decompress(&info_) != FALSE;
  }

  const jpeg_decompress_struct& info() const { return info_; }
  [[noreturn]] void fail() const { throw BadData(std::string("JPEG: ") + errors_.message); }

 private:
  jpeg_decompress_struct info_{};
  Errors errors_{};
  Progress progress_{};
};

int orientation(const jpeg_decompress_struct& info) {
  constexpr std::string_view kExif("Exif\0\0", 6);
  for (const jpeg_marker_struct* marker = info.marker_list; marker != nullptr; marker = marker->next) {
    const std::string_view data(reinterpret_cast<const char*>(marker->data), marker->data_length);
    if (marker->marker != JPEG_APP0 + 1 || !data.starts_with(kExif)) continue;
    return exif_orientation({marker->data + kExif.size(), marker->data_length - kExif.size()});
  }
  return 1;
}

// In place would overlap: four bytes of inks per pixel become three of RGB.
void inks_to_rgb(const std::uint8_t* inks, std::int64_t pixels, bool inverted, std::uint8_t* rgb) {
  for (std::int64_t i = 0; i < pixels; ++i) {
    const unsigned mask = inverted ? 0U : 255U;
    const unsigned black = inks[4 * i + 3] ^ mask;
    for (std::int64_t c = 0; c < 3; ++c) {
      rgb[3 * i + c] = static_cast<std::uint8_t>(((inks[4 * i + c] ^ mask) * black + 127) / 255);
    }
  }
}

// The largest of 1, 2, 4, 8 that leaves the shorter side at least twice as long as wanted.
unsigned denominator(std::int64_t shorter, std::int64_t wanted) {
  unsigned by = 1;
  while (wanted > 0 && by < 8 && shorter / (2 * by) >= 2 * wanted) by *= 2;
  return by;
}

}  // namespace

StoredImage decode_jpeg(FileBytes file, std::int64_t wanted_side, const DecodeLimits& limits) {
  Decoder decoder(limits);
  if (!decoder.read_header(file)) decoder.fail();
  const jpeg_decompress_struct& info = decoder.info();
  check_size(info.image_width, info.image_height, file, limits);
  StoredImage stored{.image = {}, .orientation = orientation(info)};
  if (!decoder.start(denominator(std::min(info.image_width, info.image_height), wanted_side))) decoder.fail();

  Image& image = stored.image;
  image.width = info.output_width;
  image.height = info.output_height;
  image.pixels.resize(static_cast<std::size_t>(image.width * image.height * 3));
  std::vector<std::uint8_t> inks(static_cast<std::size_t>(info.output_components == 4 ? image.width * 4 : 0));
  for (std::int64_t y = 0; y < image.height; ++y) {
    std::uint8_t* row = image.pixels.data() + y * image.width * 3;
    if (!decoder.read_row(inks.empty() ? row : inks.data())) decoder.fail();
    if (!inks.empty()) inks_to_rgb(inks.data(), image.width, info.saw_Adobe_marker != FALSE, row);
  }
  if (!decoder.finish()) decoder.fail();
  return stored;
}

}  // namespace nagare::ssl
