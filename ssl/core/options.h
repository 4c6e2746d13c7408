#pragma once
// Named options of a method or strategy: bound once to the fields of a struct, then read from "key = value"
// text and printed in help and documentation from the same list.
//
//   struct SimClrOptions { float temperature = 0.5F; OptionSet bind(); };
//   OptionSet SimClrOptions::bind() {
//     OptionSet set;
//     set.number("temperature", temperature, {.low = 0.01, .high = 10}, "softmax temperature");
//     return set;
//   }
//
// A set points into the struct it was bound to and must not outlive it.
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <vector>

namespace nagare::ssl {

using OptionValues = std::map<std::string, std::string>;

// One line of help.
struct OptionInfo {
  std::string name;
  std::string default_value;
  std::string allowed;  // "[0.01, 10]", "on, off", "buffer-only, stream-replay"
  std::string summary;
};

// Closed range of a number.
struct OptionRange {
  double low = 0.0;
  double high = std::numeric_limits<double>::infinity();
};

class OptionSet {
 public:
  void number(const std::string& name, float& field, OptionRange range, const std::string& summary);
  void integer(const std::string& name, std::int64_t& field, OptionRange range, const std::string& summary);
  // on/off, true/false, 1/0, yes/no
  void flag(const std::string& name, bool& field, const std::string& summary);
  void choice(const std::string& name, std::string& field, const std::vector<std::string>& allowed,
              const std::string& summary);

  // Writes the given values into the bound fields; the others keep their defaults.
  // errors  BadConfig naming `owner`, the option, the value and what is allowed, or the nearest known option
  void assign(const std::string& owner, const OptionValues& values) const;
  // In the order they were bound.
  const std::vector<OptionInfo>& list() const { return infos_; }

 private:
  // Returns false when the text is not an allowed value.
  using Setter = std::function<bool(const std::string& text)>;
  void add(OptionInfo info, Setter setter);

  std::vector<OptionInfo> infos_;
  std::vector<Setter> setters_;
};

}  // namespace nagare::ssl
