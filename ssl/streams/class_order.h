#pragma once
// The order of a data set's classes in a stream: task t takes classes [t n, (t + 1) n) of it.
//
//   natural            0, 1, 2, ...
//   seeded             a permutation drawn by the stream's seed
//   pytorch:SEED       torch.randperm after torch.manual_seed(SEED); avalanche = pytorch:42, cassle = pytorch:5
//   numpy:SEED         numpy.random.shuffle after numpy.random.seed(SEED); ccl = numpy:1
//   osiris             Osiris' random order of CIFAR-100
//   osiris-structured  its structured one: CIFAR-100's superclasses in their official order, five classes each; the same as
//                      cifar100-superclass
//   file:PATH          every class once, by number, name or key (a folder's name, a wnid), one a line; blank lines and what
//                      follows a # are passed over
//   3,1,0,2            every class once, by number
//
// errors  BadConfig: a name that is none of these (with the nearest), a list that is not a permutation, another number of
//         classes than a published list has; BadData: a file that cannot be read or names what is no class, with its line
// source  natural: Madaan et al., ICLR 2022; avalanche: Cignoni et al., CoLLAs 2025, and the Avalanche library; cassle: Fini
//         et al., CVPR 2022; ccl: Lin et al., ICME 2022; osiris: Zhang et al., CoLLAs 2024; each by its published program
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ssl/data/dataset.h"

namespace nagare::ssl {

struct NamedClassOrder {
  std::string name;
  std::string summary;
};

// Sorted by name; for help and documentation.
std::span<const NamedClassOrder> named_class_orders();

std::vector<std::int64_t> class_order(const std::string& text, const Dataset& data, std::uint64_t seed);

}  // namespace nagare::ssl
