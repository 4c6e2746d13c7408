#pragma once
// What both twins do to one slot's list of partners.
#include <cfloat>
#include <cmath>

#include "kernels/host_device.h"
#include "kernels/redundancy.h"

namespace nagare::kernels {

NAGARE_HOST_DEVICE inline void clear_list(const RedundancyLists& lists, std::int64_t slot) {
  for (int i = 0; i < kPartners; ++i) {
    lists.similarity[slot * kPartners + i] = -INFINITY;
    lists.partner[slot * kPartners + i] = -1;
  }
  lists.floor[slot] = -INFINITY;
}

NAGARE_HOST_DEVICE inline void raise_floor(const RedundancyLists& lists, std::int64_t slot, float least) {
  if (least > lists.floor[slot]) lists.floor[slot] = least;
}

// Puts a partner into the list, behind a lower slot that is as similar: what a list holds does not depend on the order of
// the offers. What has no room, the newcomer or the last, is not above the floor then.
NAGARE_HOST_DEVICE inline void offer_partner(const RedundancyLists& lists, std::int64_t slot, float s,
                                             std::int32_t partner) {
  if (!(s >= lists.floor[slot]) || s == -INFINITY) return;
  float* similarity = lists.similarity + slot * kPartners;
  std::int32_t* partners = lists.partner + slot * kPartners;
  int at = kPartners;
  while (at > 0 && (partners[at - 1] < 0 || similarity[at - 1] < s ||
                    (similarity[at - 1] == s && partners[at - 1] > partner))) {
    --at;
  }
  raise_floor(lists, slot, at == kPartners ? s : similarity[kPartners - 1]);
  for (int i = kPartners - 1; i > at; --i) {
    similarity[i] = similarity[i - 1];
    partners[i] = partners[i - 1];
  }
  if (at == kPartners) return;
  similarity[at] = s;
  partners[at] = partner;
}

// Keeps the partners for which stays(partner) holds, in their order.
template <class Stays>
NAGARE_HOST_DEVICE void keep_partners(const RedundancyLists& lists, std::int64_t slot, const Stays& stays) {
  float* similarity = lists.similarity + slot * kPartners;
  std::int32_t* partners = lists.partner + slot * kPartners;
  int kept = 0;
  for (int i = 0; i < kPartners; ++i) {
    const std::int32_t partner = partners[i];
    if (partner < 0 || !stays(partner)) continue;
    similarity[kept] = similarity[i];
    partners[kept++] = partner;
  }
  for (int i = kept; i < kPartners; ++i) {
    similarity[i] = -INFINITY;
    partners[i] = -1;
  }
}

// No partner is left in the list, but there are entries outside of it.
NAGARE_HOST_DEVICE inline bool needs_scan(const RedundancyLists& lists, std::int64_t slot) {
  return lists.partner[slot * kPartners] < 0 && lists.floor[slot] > -INFINITY;
}

// What eviction compares: an entry without another is behind all that have one.
NAGARE_HOST_DEVICE inline float redundancy_of(const RedundancyLists& lists, std::int64_t slot) {
  return lists.partner[slot * kPartners] < 0 ? -FLT_MAX : lists.similarity[slot * kPartners];
}

}  // namespace nagare::kernels
