#include "vectorizer/model/payload_path.hpp"

#include <algorithm>
#include <utility>

namespace vectorizer {
namespace {

constexpr std::size_t kMaxNames = 32;
constexpr std::size_t kMaxBytes = 1024;

/// Takes a quoted name off the front of `rest`, which starts with the quote.
std::optional<std::string> take_quoted(std::string_view& rest) {
  std::string name;
  for (std::size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] == '"') {
      rest.remove_prefix(i + 1);
      return name;
    }
    if (rest[i] == '\\') {
      ++i;
      if (i == rest.size() || (rest[i] != '"' && rest[i] != '\\')) return std::nullopt;
    }
    name += rest[i];
  }
  return std::nullopt;
}

}  // namespace

std::optional<PayloadPath> parse_payload_path(std::string_view key) {
  if (key.size() > kMaxBytes) return std::nullopt;
  PayloadPath path;
  std::string_view rest = key;
  while (path.size() < kMaxNames) {
    if (rest.starts_with('"')) {
      auto name = take_quoted(rest);
      if (!name) return std::nullopt;
      path.push_back(*std::move(name));
    } else {
      const auto end = std::min(rest.find('.'), rest.size());
      if (end == 0) return std::nullopt;
      path.emplace_back(rest.substr(0, end));
      rest.remove_prefix(end);
    }
    if (rest.empty()) return path;
    if (rest.front() != '.') return std::nullopt;
    rest.remove_prefix(1);
  }
  return std::nullopt;
}

void append_payload_path(std::string& out, std::string_view name) {
  if (!out.empty()) out += '.';
  if (!name.empty() && name.find_first_of(".\"\\") == std::string_view::npos) {
    out += name;
    return;
  }
  out += '"';
  for (const char c : name) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

std::string format_payload_path(const PayloadPath& path) {
  std::string out;
  for (const auto& name : path) append_payload_path(out, name);
  return out;
}

}  // namespace vectorizer
