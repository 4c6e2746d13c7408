#pragma once
// Data specs: "SOURCE:DIR,key=value,..." read strictly.
//
//   cifar10:/data/cifar,per-class=1000,test=5000      fractal:classes=10,seed=3      fractal
//
// The directory (of tar, the file) ends at the first ",key="; it may hold commas and '='. A source without a
// directory (fractal) has options alone. errors: BadConfig for an unknown source or key (with the nearest
// name), a key given twice, a value that is not a number or out of its range, a missing directory.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace nagare::ssl {

class DataSpec {
 public:
  DataSpec(std::string text, std::string source, std::string directory,
           std::map<std::string, std::string> values)
      : text_(std::move(text)),
        source_(std::move(source)),
        directory_(std::move(directory)),
        values_(std::move(values)) {}

  const std::string& text() const { return text_; }
  const std::string& source() const { return source_; }
  const std::string& directory() const { return directory_; }
  bool has(const std::string& key) const { return values_.contains(key); }

  // The value of `key`, or `otherwise` when it is not given.
  std::string word(const std::string& key, std::string_view otherwise) const;
  struct IntegerRange {
    std::int64_t min;
    std::int64_t max;
  };
  std::int64_t integer(const std::string& key, std::int64_t otherwise, IntegerRange range) const;
  struct RealRange {
    double min;
    double max;
  };
  double real(const std::string& key, double otherwise, RealRange range) const;
  // BadConfig about this spec.
  [[noreturn]] void refuse(const std::string& reason) const;

 private:
  std::string text_;
  std::string source_;
  std::string directory_;
  std::map<std::string, std::string> values_;
};

DataSpec parse_spec(const std::string& text);

}  // namespace nagare::ssl
