# cmake -DOUTPUT=page_assets.cpp -DDIRECTORY=apps/report -P EmbedText.cmake: the page's style and script as C++.
file(READ ${DIRECTORY}/page.css style)
file(READ ${DIRECTORY}/page.js script)
file(WRITE ${OUTPUT} "// Made from apps/report/page.css and page.js by cmake/EmbedText.cmake.
#include \"apps/report/page_assets.h\"

namespace nagare::apps {

const std::string_view kPageStyle = R\"asset(${style})asset\";
const std::string_view kPageScript = R\"asset(${script})asset\";

}  // namespace nagare::apps
")
