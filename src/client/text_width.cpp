#include "text_width.hpp"

#include <locale.h>
#include <wchar.h>

namespace vectorizer::client {
namespace {

/// glibc's tables of UTF-8, whatever the locale of the process.
class Utf8Locale {
 public:
  Utf8Locale() : locale_(shared()), before_(locale_ == nullptr ? nullptr : uselocale(locale_)) {}
  ~Utf8Locale() {
    if (locale_ != nullptr) uselocale(before_);
  }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

 private:
  static locale_t shared() {
    static const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    return utf8;
  }
  const locale_t locale_;
  const locale_t before_;
};

struct Character {
  std::size_t bytes = 1;
  int width = -1;  ///< -1: not to be printed
};

Character first_character(std::string_view text) {
  wchar_t wide = 0;
  mbstate_t state{};
  const auto bytes = mbrtowc(&wide, text.data(), text.size(), &state);
  if (bytes == 0 || bytes > text.size()) return {};  // NUL, or not UTF-8
  return {bytes, wcwidth(wide)};
}

}  // namespace

std::size_t text_width(std::string_view text) {
  const Utf8Locale utf8;
  std::size_t width = 0;
  while (!text.empty()) {
    const auto character = first_character(text);
    width += character.width < 0 ? 1U : static_cast<std::size_t>(character.width);
    text.remove_prefix(character.bytes);
  }
  return width;
}

std::string printable(std::string_view text) {
  const Utf8Locale utf8;
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto character = first_character(text);
    out += character.width < 0 ? std::string_view("\uFFFD") : text.substr(0, character.bytes);
    text.remove_prefix(character.bytes);
  }
  return out;
}

std::string shortened(std::string_view text, std::size_t width) {
  if (text_width(text) <= width) return std::string(text);
  if (width == 0) return "";
  const Utf8Locale utf8;
  std::size_t bytes = 0;
  std::size_t used = 1;  // the mark
  while (bytes < text.size()) {
    const auto character = first_character(text.substr(bytes));
    used += character.width < 0 ? 1U : static_cast<std::size_t>(character.width);
    if (used > width) break;
    bytes += character.bytes;
  }
  return std::string(text.substr(0, bytes)) + "…";
}

}  // namespace vectorizer::client
