#pragma once
// What a component keeps between steps, as named tensors. A checkpoint is the union of these lists, matched by name.
//
// The tensors are handles: writing into a listed tensor writes into its owner. Names join with '.', as torchvision's
// (`layer1.0.conv1.weight`).
// A checkpoint may be anybody's. What its numbers are used for cannot be seen in the file, so the list says what they may be:
// every integer has its range, and what must hold between entries is a check. Both are tried when a file is loaded
// (engine/io/state_io.h).
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/tensor/tensor.h"

namespace nagare::nn {

// How a parameter is treated by optimisers: biases and norm scales are usually neither decayed nor LARS-scaled.
enum class Role { weight, bias, norm, buffer };

// Memory order against file order: files hold convolution weights as OIHW, memory as OHWI.
enum class DiskLayout { same, conv_oihw };

// Both ends included.
struct IntegerRange {
  std::int64_t min;
  std::int64_t max;
};
// Of things that happened: far from an overflow.
inline constexpr IntegerRange kCount = {.min = 0, .max = std::int64_t{1} << 48};

struct StateEntry {
  std::string name;
  Tensor tensor;
  Role role = Role::buffer;
  DiskLayout layout = DiskLayout::same;
  std::optional<IntegerRange> range = {};  // of an i64 tensor's elements
};

// "" when the values of the entries fit each other, else what does not.
using StateCheck = std::function<std::string()>;

class StateList {
 public:
  // Entries added while a Scope lives get its prefix.
  class Scope {
   public:
    Scope(StateList& list, std::string_view prefix);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    StateList& list_;
    std::size_t length_before_;
  };

  // std::invalid_argument when the name is already there, or for integers.
  void add(std::string_view name, const Tensor& tensor, Role role, DiskLayout layout = DiskLayout::same);
  // Integers, never a parameter. std::invalid_argument for other types and for an empty range.
  void add(std::string_view name, const Tensor& tensor, IntegerRange range);
  // One of another list, its name behind this list's prefix.
  void add(StateEntry entry);
  // Run in the order in which they were added, after all values are there; may look at what its owner holds.
  void add_check(StateCheck check) { checks_.push_back(std::move(check)); }
  const std::vector<StateCheck>& checks() const { return checks_; }
  const std::vector<StateEntry>& entries() const { return entries_; }
  // Entries that an optimiser updates: every role but buffer.
  std::vector<StateEntry> parameters() const;
  // nullptr when there is none of that name.
  const StateEntry* find(std::string_view name) const;

 private:
  std::vector<StateEntry> entries_;
  std::vector<StateCheck> checks_;
  std::string prefix_;
};

}  // namespace nagare::nn
