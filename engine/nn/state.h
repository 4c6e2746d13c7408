#pragma once
// What a component keeps between steps, as named tensors. A checkpoint is the union of these lists, matched by name.
//
// The tensors are handles: writing into a listed tensor writes into its owner. Names join with '.', as torchvision's
// (`layer1.0.conv1.weight`).
#include <string>
#include <string_view>
#include <vector>

#include "engine/tensor/tensor.h"

namespace nagare::nn {

// How a parameter is treated by optimisers: biases and norm scales are usually neither decayed nor LARS-scaled.
enum class Role { weight, bias, norm, buffer };

// Memory order against file order: files hold convolution weights as OIHW, memory as OHWI.
enum class DiskLayout { same, conv_oihw };

struct StateEntry {
  std::string name;
  Tensor tensor;
  Role role = Role::buffer;
  DiskLayout layout = DiskLayout::same;
};

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

  // std::invalid_argument when the name is already there.
  void add(std::string_view name, const Tensor& tensor, Role role, DiskLayout layout = DiskLayout::same);
  const std::vector<StateEntry>& entries() const { return entries_; }
  // Entries that an optimiser updates: every role but buffer.
  std::vector<StateEntry> parameters() const;
  // nullptr when there is none of that name.
  const StateEntry* find(std::string_view name) const;

 private:
  std::vector<StateEntry> entries_;
  std::string prefix_;
};

}  // namespace nagare::nn
