#include "engine/nn/state.h"

#include <algorithm>
#include <stdexcept>

namespace nagare::nn {

StateList::Scope::Scope(StateList& list, std::string_view prefix)
    : list_(list), length_before_(list.prefix_.size()) {
  list_.prefix_.append(prefix).append(".");
}

StateList::Scope::~Scope() { list_.prefix_.resize(length_before_); }

void StateList::add(std::string_view name, const Tensor& tensor, Role role, DiskLayout layout) {
  std::string full = prefix_ + std::string(name);
  if (find(full) != nullptr) throw std::invalid_argument("state: two entries named '" + full + "'");
  entries_.push_back({.name = std::move(full), .tensor = tensor, .role = role, .layout = layout});
}

std::vector<StateEntry> StateList::parameters() const {
  std::vector<StateEntry> found;
  std::ranges::copy_if(entries_, std::back_inserter(found),
                       [](const auto& e) { return e.role != Role::buffer; });
  return found;
}

const StateEntry* StateList::find(std::string_view name) const {
  const auto at = std::ranges::find(entries_, name, &StateEntry::name);
  return at == entries_.end() ? nullptr : &*at;
}

}  // namespace nagare::nn
