#include "apps/report/html.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/text/printable.h"
#include "ssl/data/png_writer.h"

namespace nagare::apps {
namespace {

// Elements that are written <name/>: those of HTML that have no end, and the shapes of SVG.
constexpr std::string_view kEmpty[] = {"circle", "img", "line", "meta", "path", "polyline", "rect", "use"};

std::string escaped(std::string_view outside) {
  std::string safe;
  for (const char c : printable(outside)) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

}  // namespace

Html& Html::operator+=(const Html& other) {
  markup_ += other.markup_;
  return *this;
}

Html text(std::string_view outside) { return Html(escaped(outside)); }

Html element(std::string_view name, const Attributes& attributes, const Html& content) {
  std::string markup = "<" + std::string(name);
  for (const auto& [key, value] : attributes) {
    markup += " " + std::string(key) + "=\"" + escaped(value) + "\"";
  }
  if (std::ranges::find(kEmpty, name) != std::end(kEmpty) && content.empty()) return Html(markup + "/>");
  return Html(markup + ">" + content.markup() + "</" + std::string(name) + ">");
}

Html script(const nlohmann::ordered_json& data) {
  std::string safe;
  for (const char c : data.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace)) {
    if (c == '<' || c == '>' || c == '&') {
      safe += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      safe += c;
    }
  }
  return element("script", {{"type", "application/json"}}, Html(safe));
}

Html embedded(std::string_view name, std::string_view content) {
  return element(name, {}, Html(std::string(content)));
}

Html picture(const ssl::Image& image, std::string_view alternative, std::string_view css_class) {
  return element("img", {{"class", std::string(css_class)},
                         {"alt", std::string(alternative)},
                         {"title", std::string(alternative)},
                         {"width", std::to_string(image.width)},
                         {"height", std::to_string(image.height)},
                         {"src", "data:image/png;base64," + base64(ssl::encode_png(image))}});
}

Html html_table(const std::vector<std::vector<std::string>>& rows, std::string_view css_class) {
  Html body;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    Html line;
    for (std::size_t c = 0; c < rows[r].size(); ++c) {
      const bool heading = r == 0 || c == 0;
      line += heading ? element("th", {{"scope", r == 0 ? "col" : "row"}}, text(rows[r][c]))
                      : element("td", {}, text(rows[r][c]));
    }
    body += element("tr", {}, line);
  }
  // A box of its own that scrolls: a wide table must not widen the page.
  return element("div", {{"class", "scroll"}}, element("table", {{"class", std::string(css_class)}}, body));
}

Html missing(std::string_view reason) { return element("p", {{"class", "missing"}}, text(reason)); }

Html numbers(const std::vector<std::vector<std::string>>& rows) {
  return element("details", {}, element("summary", {}, text("Numbers")) + html_table(rows));
}

std::string number(double value, int decimals) {
  if (!std::isfinite(value)) return "-";
  std::string digits = fmt::format("{:.{}f}", value, decimals);
  if (digits.find('.') != std::string::npos) {
    digits.erase(digits.find_last_not_of('0') + 1);
    if (digits.back() == '.') digits.pop_back();
  }
  return digits == "-0" ? "0" : digits;
}

std::string base64(std::string_view bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string digits;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t taken = std::min<std::size_t>(3, bytes.size() - i);
    unsigned word = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      word = word << 8 | (k < taken ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) digits += k <= taken ? kDigits[word >> (18 - 6 * k) & 63U] : '=';
  }
  return digits;
}

}  // namespace nagare::apps
