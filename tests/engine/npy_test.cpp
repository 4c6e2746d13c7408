#include "engine/io/npy.h"

#include <gmock/gmock.h>

#include <cstring>

#include "engine/device/errors.h"
#include "tests/support/temporary_directory.h"

namespace nagare::io {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(NpyTest, BytesAreThoseOfNumPy) {
  const test::TemporaryDirectory directory;
  const Path path = directory.path() / "a.npy";
  write_npy(path, Tensor::from<float>(std::vector<float>{1, 2}, {2, 1}));
  const std::string text = read_text(path);
  ASSERT_EQ(text.size(), 128U + 8U);
  EXPECT_EQ(text.substr(0, 10), std::string("\x93NUMPY\x01\x00\x76\x00", 10));
  EXPECT_THAT(text, HasSubstr("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1, ), }"));
  EXPECT_EQ(text[127], '\n');
}

TEST(NpyTest, EveryTypeAndRankSurvivesARoundTrip) {
  const test::TemporaryDirectory directory;
  const Path path = directory.path() / "a.npy";
  for (const DType dtype : {DType::f32, DType::f64, DType::i64, DType::u8}) {
    for (const Shape& shape : {Shape{}, Shape{0}, Shape{7}, Shape{2, 3}, Shape{1, 2, 3, 4}}) {
      const Tensor t = Tensor::zeros(shape, {.dtype = dtype});
      if (t.bytes() > 0) static_cast<unsigned char*>(t.raw())[t.bytes() - 1] = 64;
      write_npy(path, t);
      const Tensor back = read_npy(path);
      EXPECT_EQ(back.shape(), shape);
      EXPECT_EQ(back.dtype(), dtype);
      EXPECT_EQ(std::memcmp(back.raw(), t.raw(), t.bytes()), 0);
    }
  }
}

TEST(NpyTest, RefusesWhatNumPyHasNoNameFor) {
  EXPECT_THAT([] { write_npy("unused.npy", Tensor::zeros({1}, {.dtype = DType::bf16})); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("bf16")));
  EXPECT_THROW(write_npy("unused.npy", Tensor()), std::invalid_argument);
  EXPECT_FALSE(io::exists("unused.npy"));
}

// A shape whose bytes wrap around to as many as there are.
TEST(NpyTest, ShapesThatOverflowAreRefused) {
  const test::TemporaryDirectory directory;
  const Path path = directory.path() / "a.npy";
  write_npy(path, Tensor::zeros({1}, {.dtype = DType::f64}));
  const std::string whole = read_text(path);
  const std::size_t at = whole.find("(1, )");
  for (const char* shape :
       {"(2305843009213693952, )", "(2305843009213693953, )", "(4611686018427387904, 4, )",
        "(0, 4611686018427387904, )", "(4294967296, 4294967296, )", "(9223372036854775808, )", "(-1, )",
        "(-1, -1, )"}) {
    for (const std::size_t data : {std::size_t{0}, std::size_t{8}}) {
      std::string hostile = whole.substr(0, 128) + std::string(data, '\0');
      hostile.erase(128 - std::strlen(shape) + 4, std::strlen(shape) - 5).replace(at, 5, shape);
      ASSERT_EQ(hostile.size(), 128 + data);
      EXPECT_THROW(read_npy(directory.write("hostile.npy", hostile)), BadData) << shape << ", " << data;
    }
  }
}

TEST(NpyTest, NothingStandsBehindTheShape) {
  const test::TemporaryDirectory directory;
  const Path path = directory.path() / "a.npy";
  write_npy(path, Tensor::zeros({1}, {.dtype = DType::u8}));
  std::string text = read_text(path);
  text[100] = 'x';
  EXPECT_THAT([&] { read_npy(directory.write("b.npy", text)); },
              ThrowsMessage<BadData>(HasSubstr("does not end behind the shape")));
}

TEST(NpyTest, EveryTruncationIsRefused) {
  const test::TemporaryDirectory directory;
  const Path path = directory.path() / "a.npy";
  write_npy(path, Tensor::zeros({3}, {.dtype = DType::u8}));
  const std::string whole = read_text(path);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Path cut = directory.write("cut.npy", std::string_view(whole).substr(0, size));
    EXPECT_THROW(read_npy(cut), BadData) << size << " bytes";
  }
}

}  // namespace
}  // namespace nagare::io
