#include "engine/io/safetensors.h"

#include <gmock/gmock.h>

#include <cstring>

#include "engine/device/errors.h"
#include "tests/support/devices.h"
#include "tests/support/temporary_directory.h"

namespace nagare::io {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

std::vector<std::byte> to_bytes(std::string_view text) {
  const auto* const first = reinterpret_cast<const std::byte*>(text.data());
  return {first, first + text.size()};
}

std::string with_length(std::uint64_t length, std::string_view rest) {
  std::string file(sizeof length, '\0');
  std::memcpy(file.data(), &length, sizeof length);
  return file.append(rest);
}

// A whole file from a header and its tensor bytes.
std::string file_of(std::string_view header, std::size_t data_bytes = 0) {
  return with_length(header.size(), std::string(header).append(data_bytes, '\1'));
}

SafetensorsFile parse(std::string_view file) { return {to_bytes(file), "x.safetensors"}; }

// The format's own example: F32 w = [1, 2] in 72 bytes.
const std::string kGolden = with_length(56, R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}  )") +
                            std::string("\x00\x00\x80\x3f\x00\x00\x00\x40", 8);

TEST(SafetensorsTest, GoldenFileIsReadAndWrittenBitForBit) {
  ASSERT_EQ(kGolden.size(), 72U);
  EXPECT_THAT(parse(kGolden).load("w").to_vector<float>(), ElementsAre(1.0F, 2.0F));
  const test::TemporaryDirectory directory;
  const Path path = directory.path() / "golden.safetensors";
  write_safetensors(path, {{"w", Tensor::from<float>(std::vector<float>{1, 2}, {2})}});
  EXPECT_EQ(read_text(path), kGolden);
}

struct SafetensorsDeviceTest : testing::TestWithParam<Device> {};

TEST_P(SafetensorsDeviceTest, EveryTypeSurvivesARoundTrip) {
  const Device device = GetParam();
  const test::TemporaryDirectory directory;
  const Path path = directory.path() / "all.safetensors";
  const std::vector<NamedTensor> tensors = {
      {"u8", Tensor::from<std::uint8_t>(std::vector<std::uint8_t>{1, 255}, {2}, device)},
      {"scalar", Tensor::from<std::int64_t>(std::vector<std::int64_t>{-7}, {}, device)},
      {"empty", Tensor::zeros({3, 0, 2}, {.device = device})},
      {"bf16", Tensor::full({3}, 1.5F, {.dtype = DType::bf16, .device = device})},
      {"f64", Tensor::from<double>(std::vector<double>{0.1, NAN}, {2, 1}, device)},
      {"f32", Tensor::full({2, 2}, 2.0F, {.device = device})},
      {"näme \"quoted\"\n", Tensor::full({1}, 3.0F, {.device = device})},
  };
  write_safetensors(path, tensors, {{"format", "pt"}, {"kéy", "värde \\"}});
  const SafetensorsFile file = read_safetensors(path);
  EXPECT_EQ(file.metadata().at("kéy"), "värde \\");
  EXPECT_EQ(file.metadata().size(), 2U);
  ASSERT_EQ(file.tensors().size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    const Tensor loaded = file.load(name);
    EXPECT_EQ(loaded.shape(), tensor.shape()) << name;
    EXPECT_EQ(loaded.dtype(), tensor.dtype()) << name;
    const Tensor host = tensor.to(Device::cpu);
    EXPECT_EQ(std::memcmp(loaded.raw(), host.raw(), loaded.bytes()), 0) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, SafetensorsDeviceTest, testing::ValuesIn(test::devices()));

TEST(SafetensorsTest, WriterOrdersByWidthThenNameAndAlignsTheData) {
  const test::TemporaryDirectory directory;
  const Path path = directory.path() / "ordered.safetensors";
  write_safetensors(path, {{"b", Tensor::zeros({1})},
                           {"a", Tensor::zeros({1}, {.dtype = DType::u8})},
                           {"d", Tensor::zeros({1}, {.dtype = DType::f64})},
                           {"c", Tensor::zeros({1}, {.dtype = DType::i64})},
                           {"e", Tensor::zeros({1})}});
  const SafetensorsFile file = read_safetensors(path);
  std::string order;
  for (const TensorInfo& t : file.tensors()) order += t.name;
  EXPECT_EQ(order, "cdbea");
  EXPECT_EQ(static_cast<unsigned char>(read_text(path)[0]) % 8, 0);
}

TEST(SafetensorsTest, MetadataIsWrittenWithoutTensorsToo) {
  const test::TemporaryDirectory directory;
  const Path path = directory.path() / "empty.safetensors";
  write_safetensors(path, {}, {{"nagare.step", "3"}});
  EXPECT_EQ(read_safetensors(path).metadata().at("nagare.step"), "3");
  EXPECT_TRUE(read_safetensors(path).tensors().empty());
}

TEST(SafetensorsTest, WriterRefusesWhatNoReaderCouldTellApart) {
  const test::TemporaryDirectory directory;
  const Path path = directory.path() / "bad.safetensors";
  const Tensor t = Tensor::zeros({1});
  EXPECT_THAT(
      [&] {
        write_safetensors(path, {{"a", t}, {"a", t}});
      },
      ThrowsMessage<std::invalid_argument>(HasSubstr("'a' is taken")));
  EXPECT_THROW(write_safetensors(path, {{"__metadata__", t}}), std::invalid_argument);
  EXPECT_THROW(write_safetensors(path, {{"a", Tensor()}}), std::invalid_argument);
  EXPECT_THAT(
      [&] {
        write_safetensors(path, {{"\xff", t}});
      },
      ThrowsMessage<std::invalid_argument>(HasSubstr("UTF-8")));
  EXPECT_FALSE(io::exists(path));
}

TEST(SafetensorsTest, EveryTruncationAndEveryExtensionIsRefused) {
  for (std::size_t size = 0; size < kGolden.size(); ++size) {
    EXPECT_THROW(parse(std::string_view(kGolden).substr(0, size)), BadData) << size << " bytes";
  }
  EXPECT_THROW(parse(kGolden + "x"), BadData);
}

TEST(SafetensorsTest, NoSingleChangedByteCrashesTheReader) {
  for (std::size_t at = 0; at < kGolden.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      std::string changed = kGolden;
      changed[at] = static_cast<char>(value);
      try {
        const SafetensorsFile file = parse(changed);
        for (const TensorInfo& t : file.tensors()) file.load(t.name);
      } catch (const BadData&) {
        continue;  // the refusal that is expected of most of them
      }
    }
  }
}

TEST(SafetensorsTest, TypesThatCannotBeLoadedAreListed) {
  const SafetensorsFile file =
      parse(file_of(R"({"h":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},)"
                    R"("q":{"dtype":"F4","shape":[4],"data_offsets":[4,6]},)"
                    R"("deep":{"dtype":"U8","shape":[1,1,1,1,1,1,1],"data_offsets":[6,7]},)"
                    R"("flag":{"dtype":"BOOL","shape":[],"data_offsets":[7,8]}})",
                    8));
  ASSERT_EQ(file.tensors().size(), 4U);
  EXPECT_EQ(file.find("q")->dtype, "F4");
  EXPECT_EQ(file.find("none"), nullptr);
  EXPECT_THAT([&] { file.load("h"); }, ThrowsMessage<BadData>(HasSubstr("'h' holds F16")));
  EXPECT_THAT([&] { file.load("deep"); }, ThrowsMessage<BadData>(HasSubstr("7 axes, at most 6")));
  EXPECT_THAT([&] { file.load("none"); }, ThrowsMessage<BadData>(HasSubstr("no tensor 'none'")));
  EXPECT_EQ(file.load("flag").dtype(), DType::u8);
}

TEST(SafetensorsTest, EmptyTensorsAndScalarsAreLegal) {
  const SafetensorsFile file = parse(file_of(R"({"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
                                             R"("z":{"dtype":"F32","shape":[3,0],"data_offsets":[4,4]}})",
                                             4));
  EXPECT_EQ(file.load("s").numel(), 1);
  EXPECT_EQ(file.load("z").shape(), (Shape{3, 0}));
  EXPECT_TRUE(parse(file_of("{}")).tensors().empty());
}

struct Hostile {
  const char* name;
  std::string file;
  const char* complaint;
};

void PrintTo(const Hostile& h, std::ostream* out) { *out << h.name; }

struct SafetensorsHostileTest : testing::TestWithParam<Hostile> {};

TEST_P(SafetensorsHostileTest, IsRefusedWithTheReasonAndTheName) {
  EXPECT_THAT(
      [] { parse(GetParam().file); },
      ThrowsMessage<BadData>(testing::AllOf(HasSubstr("x.safetensors"), HasSubstr(GetParam().complaint))));
}

std::string tensor(const char* fields, std::size_t bytes = 8) {
  return file_of("{\"w\":{" + std::string(fields) + "}}", bytes);
}

std::vector<Hostile> hostile_files() {
  const std::string nested = "{\"a\":" + std::string(100000, '[') + std::string(100000, ']') + "}";
  std::string many_axes = R"("dtype":"U8","data_offsets":[0,8],"shape":[8)";
  for (int axis = 1; axis < 65; ++axis) many_axes += ",1";
  many_axes += "]";
  const std::string objects = R"({"a":{"dtype":{"x":{"y":{"z":1}}}}})";
  return {
      {"Empty", "", "0 bytes, at least 8"},
      {"SevenBytes", "1234567", "7 bytes, at least 8"},
      {"LengthAboveTheCap", with_length(100'000'001, std::string(64, ' ')), "header of 100000001"},
      {"LengthBeyondTheFile", with_length(9, "{}      "), "header of 9 bytes in a file of 16"},
      {"LengthAllOnes", with_length(~std::uint64_t{0}, "{}"), "header of 18446744073709551615"},
      {"ZeroLength", with_length(0, ""), "start with '{'"},
      {"LeadingSpace", file_of(" {}"), "start with '{'"},
      {"ByteOrderMark", file_of("\xef\xbb\xbf{}"), "start with '{'"},
      {"NotJson", file_of("{"), "bad JSON"},
      {"TextBehindTheEnd", file_of("{} x"), "bad JSON"},
      {"TextBehindAZeroByte", file_of(std::string_view("{}\0x", 4)), "zero byte"},
      {"BadUtf8", file_of("{\"\xc3\x28\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}", 1),
       "bad JSON"},
      {"DeepLists", file_of(nested), "holds a list"},
      {"DeepObjects", file_of(objects), "holds an object"},
      {"DuplicateTensor",
       file_of(R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
               R"("w":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
               2),
       "'w' appears twice"},
      {"DuplicateField", tensor(R"("dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8])"),
       "'dtype' appears twice"},
      {"DuplicateMetadata", file_of(R"({"__metadata__":{"a":"1","a":"2"}})"), "'a' appears twice"},
      {"TwoMetadata", file_of(R"({"__metadata__":{},"__metadata__":{}})"), "'__metadata__' appears twice"},
      {"MetadataNumber", file_of(R"({"__metadata__":{"a":1}})"), "'a' holds a number"},
      {"MetadataNull", file_of(R"({"__metadata__":{"a":null}})"), "'a' holds null"},
      {"MetadataObject", file_of(R"({"__metadata__":{"a":{}}})"), "'a' holds an object"},
      {"MetadataIsNoObject", file_of(R"({"__metadata__":"x"})"), "'__metadata__' holds a string"},
      {"TensorIsNoObject", file_of(R"({"w":[1]})"), "'w' holds a list"},
      {"UnknownType", tensor(R"("dtype":"F128","shape":[2],"data_offsets":[0,8])"), "unknown dtype 'F128'"},
      {"TypeIsNoString", tensor(R"("dtype":32,"shape":[2],"data_offsets":[0,8])"), "'dtype' holds a number"},
      {"UnknownField", tensor(R"("dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1)"),
       "unknown field 'x'"},
      {"MissingShape", tensor(R"("dtype":"F32","data_offsets":[0,8])"),
       "needs dtype, shape and data_offsets"},
      {"MissingEverything", tensor(""), "needs dtype, shape and data_offsets"},
      {"ShapeIsNoList", tensor(R"("dtype":"F32","shape":2,"data_offsets":[0,8])"), "'shape' holds a number"},
      {"NegativeSize", tensor(R"("dtype":"F32","shape":[-2],"data_offsets":[0,8])"), "negative number"},
      {"FractionalSize", tensor(R"("dtype":"F32","shape":[2.0],"data_offsets":[0,8])"), "fraction"},
      {"HugeSize", tensor(R"("dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,8])"),
       "too large"},
      {"SizeAboveSigned", tensor(R"("dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,8])"),
       "above 2^63"},
      {"ProductOverflows", tensor(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8])"),
       "overflows"},
      {"BitsOverflow", tensor(R"("dtype":"F64","shape":[1152921504606846976],"data_offsets":[0,8])"),
       "overflows"},
      {"OverflowBehindAZero",
       tensor(R"("dtype":"F32","shape":[0,4611686018427387904,16],"data_offsets":[0,0])", 0), "overflows"},
      {"OneOffset", tensor(R"("dtype":"F32","shape":[2],"data_offsets":[8])"), "two numbers"},
      {"ThreeOffsets", tensor(R"("dtype":"F32","shape":[2],"data_offsets":[0,4,8])"), "two numbers"},
      {"NegativeOffset", tensor(R"("dtype":"F32","shape":[2],"data_offsets":[-8,0])"), "negative number"},
      {"ReversedOffsets", tensor(R"("dtype":"F32","shape":[2],"data_offsets":[8,0])"), "reversed"},
      {"NotFromZero", tensor(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])"), "hole or overlap"},
      {"Hole",
       file_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
               R"("b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
               3),
       "hole or overlap"},
      {"Overlap",
       file_of(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
               R"("b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
               3),
       "hole or overlap"},
      {"SameBytesTwice",
       file_of(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
               R"("b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})",
               2),
       "hole or overlap"},
      {"SizeAgainstShape", tensor(R"("dtype":"F32","shape":[3],"data_offsets":[0,8])"), "hold 8 bytes"},
      {"HalfAByte", tensor(R"("dtype":"F4","shape":[3],"data_offsets":[0,1])", 1), "hold 1 bytes"},
      {"BeyondTheFile", tensor(R"("dtype":"F32","shape":[4],"data_offsets":[0,16])"), "end at byte 16 of 8"},
      {"BytesLeftOver", tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])"), "end at byte 4 of 8"},
      {"SixtyFiveAxes", tensor(many_axes.c_str()), "more than 64 sizes"},
      {"ControlCharactersAreEscaped", file_of("{\"w\\u001b[2J\":1}"), "'w\\x1b[2J' holds a number"},
      {"DataWithoutTensors", file_of("{}", 1), "end at byte 0 of 1"},
  };
}

INSTANTIATE_TEST_SUITE_P(Files, SafetensorsHostileTest, testing::ValuesIn(hostile_files()),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace nagare::io
