#pragma once
// report.html: one file that needs nothing else. Style and script are inside, pictures are data URIs, and the page's own
// security policy forbids every request. It works without the script, which adds the choice of light and dark, values
// under the pointer, and lines that can be switched off.
//
// The same runs give the same bytes. From kMostPictured runs on, pictures are left out and the page says so.
#include <string>

#include "apps/report/figures.h"

namespace nagare::apps {

inline constexpr std::size_t kMostPictured = 8;

std::string report_page(const Comparison& comparison);

}  // namespace nagare::apps
