#pragma once
// page.css and page.js, embedded by the build (cmake/EmbedText.cmake).
#include <string_view>

namespace nagare::apps {

extern const std::string_view kPageStyle;
extern const std::string_view kPageScript;

}  // namespace nagare::apps
