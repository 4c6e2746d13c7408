#include "engine/nn/state.h"

#include <algorithm>
#include <stdexcept>

namespace nagare::nn {

StateList::Scope::Scope(StateList& list, std::string_view prefix)
    : list_(list), length_before_(list.prefix_.size()) {
  list_.prefix_.append(prefix).append(".");
}

StateList::Scope::~Scope() { list_.prefix_.resize(length_before_); }

void StateList::add(StateEntry entry) {
  entry.name.insert(0, prefix_);
  if (find(entry.name) != nullptr)
    throw std::invalid_argument("state: two entries named '" + entry.name + "'");
  const bool integers = entry.tensor.dtype() == DType::i64;
  if (integers != entry.range.has_value()) {
    throw std::invalid_argument("state: '" + entry.name + "' is " + to_string(entry.tensor.dtype()) +
                                (integers ? " without" : " with") + " a range: integers need one");
  }
  if (entry.range && (entry.range->min > entry.range->max || entry.role != Role::buffer))
    throw std::invalid_argument("state: '" + entry.name + "': a range without values, or of a parameter");
  entries_.push_back(std::move(entry));
}

void StateList::add(std::string_view name, const Tensor& tensor, Role role, DiskLayout layout) {
  add({.name = std::string(name), .tensor = tensor, .role = role, .layout = layout});
}

void StateList::add(std::string_view name, const Tensor& tensor, IntegerRange range) {
  add({.name = std::string(name), .tensor = tensor, .range = range});
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
