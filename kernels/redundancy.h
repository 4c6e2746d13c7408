#pragma once
// For every entry of a buffer its most similar other entries, kept true while features change; and which entries to drop
// because others are like them.
//
//   s(i,j)   sum over d of feature[i,d] feature[j,d], f32; s(i,j) and s(j,i) have the same bits, whatever else there is
//   entries  the slots with age[slot] >= 0; age numbers are distinct, a lower one is older
//   update   tells the lists which slots changed: got another feature, came, or went. Distinct, in any order
//   evict    `count` times: of all pairs of entries the one with the largest s, and of that pair the older member; among
//            equal pairs the one whose older member is oldest. victim says which, in order; each is out of the choices that
//            follow, and for the caller to give age -1. An entry without another goes last; victim = -1 when none is left
//
// feature  T (slots, dim) row-major, T is float or bf16; rows of slots that are no entries are not looked at
// age      i64 (slots);  changed  i64 (count), each in [0, slots);  victim  i64 (count)
// lists    see RedundancyLists; clear() makes those of an empty buffer. They hold nothing that update() would not find
//          again from the features: lists that were rebuilt lead to the same victims
// scratch  scratch_bytes(device) bytes, 64-byte aligned; contents are of no interest afterwards
// special  a NaN is similar to nothing, and so is a sum that overflows to -inf
// accuracy exact ties; bit-identical from run to run and for any number of threads. The twins add in different orders, so
//          pairs that differ in their last bits may be told apart differently
// cost     update: changed x slots x dim multiply-adds, and slots more reads; rows are rescanned only when all of their
//          kPartners partners are gone. evict: count x slots comparisons. No slots x slots matrix, ever
// errors   std::invalid_argument with the sizes, before anything is written
// source   Purushwalkam et al., ECCV 2022, section 4.2 (minimum redundancy replay)
#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/device.h"
#include "kernels/stream.h"

namespace nagare::kernels {

// Most similar others that are kept per slot. One would do; four make a rescan rare when entries go.
inline constexpr int kPartners = 4;

// In the memory of the twin's device. Slot i's partners stand first, by falling similarity; the places left have
// partner -1. No entry outside of its list is more similar to i than floor[i].
struct RedundancyLists {
  float* similarity;      // (slots, kPartners)
  std::int32_t* partner;  // (slots, kPartners)
  float* floor;           // (slots)
  float* norm;            // (slots) of the row; the CPU twin's bound on the error of a tile product
};

struct Redundancy {
  std::int64_t slots;  // 1 .. 2^31 - 1
  std::int64_t dim;    // 1 .. 2^31 - 1

  void check() const;
  // On the CPU it grows with the number of threads.
  std::int64_t scratch_bytes(Device device) const;
};

#define NAGARE_REDUNDANCY_TWIN                                                                              \
  void redundancy_clear(const Redundancy& p, const RedundancyLists& lists, Stream stream);                  \
  template <class T>                                                                                        \
  void redundancy_update(const Redundancy& p, const T* feature, const std::int64_t* age,                    \
                         const std::int64_t* changed, std::int64_t count, const RedundancyLists& lists,     \
                         void* scratch, Stream stream);                                                     \
  template <class T>                                                                                        \
  void redundancy_evict(const Redundancy& p, const T* feature, const std::int64_t* age, std::int64_t count, \
                        const RedundancyLists& lists, std::int64_t* victim, void* scratch, Stream stream);

namespace cpu {
NAGARE_REDUNDANCY_TWIN
}
namespace cuda {
NAGARE_REDUNDANCY_TWIN
}
#undef NAGARE_REDUNDANCY_TWIN

}  // namespace nagare::kernels
