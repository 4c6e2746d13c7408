#pragma once
// Markup as a type: outside text can only become part of it through text() and attributes, which escape it. That is the
// one place where a hostile run or class name meets the page.
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ssl/data/image.h"

namespace nagare::apps {

class Html {
 public:
  Html() = default;
  const std::string& markup() const { return markup_; }
  bool empty() const { return markup_.empty(); }
  Html& operator+=(const Html& other);
  friend Html operator+(Html a, const Html& b) { return a += b; }

 private:
  // Markup as it is; for the functions below.
  explicit Html(std::string markup) : markup_(std::move(markup)) {}
  std::string markup_;

  friend Html text(std::string_view);
  friend Html element(std::string_view, const std::vector<std::pair<std::string_view, std::string>>&,
                      const Html&);
  friend Html script(const nlohmann::ordered_json&);
  friend Html embedded(std::string_view, std::string_view);
};

using Attributes = std::vector<std::pair<std::string_view, std::string>>;

// Outside text: & < > " ' as entities; control characters and bytes that are not UTF-8 as \xnn.
Html text(std::string_view outside);
// <name key="value">content</name>. Names of elements and attributes are ours; values are escaped.
Html element(std::string_view name, const Attributes& attributes = {}, const Html& content = {});
// Data for the page's script: <script type="application/json">, with < > & as \u00NN.
Html script(const nlohmann::ordered_json& data);
// The page's own style or script, from the files beside this one: <name>content</name>.
Html embedded(std::string_view name, std::string_view content);

// A picture as PNG in a data URI. `alternative` is what it shows, in words.
Html picture(const ssl::Image& image, std::string_view alternative, std::string_view css_class);

// The first row is the heading; the first column names the rows. Numbers are right-aligned by the style.
Html html_table(const std::vector<std::vector<std::string>>& rows, std::string_view css_class = "");
// What a figure lacks, and why.
Html missing(std::string_view reason);
// A table that opens under its chart.
Html numbers(const std::vector<std::vector<std::string>>& rows);

// At most `decimals` digits behind the point, no trailing zeros: coordinates and labels, the same everywhere.
// "-" for what is not finite.
std::string number(double value, int decimals = 2);
std::string base64(std::string_view bytes);

}  // namespace nagare::apps
