#include "query_vector.hpp"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>

#include "text_width.hpp"

namespace vectorizer::client {
namespace {

constexpr std::size_t kMaxNumbers = 65536;
constexpr std::size_t kMaxFileBytes = std::size_t{4} << 20;
constexpr std::string_view kSpace = " \t\r\n";

Error bad_vector(std::string message) {
  return Error{ErrorType::kValidation, std::move(message)};
}

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

Result<float> parse_number(std::string_view text, std::size_t position) {
  float value = 0;
  const bool plus = text.starts_with('+') && !text.starts_with("+-");
  const auto digits = plus ? text.substr(1) : text;
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (failed == std::errc() && end == digits.data() + digits.size() && std::isfinite(value)) return value;
  return bad_vector(
      fmt::format("'{}' at position {} is no number of a vector", printable(text.substr(0, 40)), position));
}

}  // namespace

Result<std::vector<float>> parse_vector(std::string_view text) {
  auto rest = trimmed(text);
  if (rest.starts_with('[') != rest.ends_with(']')) return bad_vector("one of the brackets is missing");
  if (rest.starts_with('[')) rest = trimmed(rest.substr(1, rest.size() - 2));
  std::vector<float> vector;
  while (!rest.empty()) {
    const auto end = rest.find_first_of(", \t\r\n");
    ASSIGN_OR_RETURN(const float value, parse_number(rest.substr(0, end), vector.size()));
    if (vector.size() == kMaxNumbers) return bad_vector(fmt::format("more than {} numbers", kMaxNumbers));
    vector.push_back(value);
    if (end == std::string_view::npos) break;
    rest = trimmed(rest.substr(end));
    if (!rest.starts_with(',')) continue;
    rest = trimmed(rest.substr(1));
    if (rest.empty()) return bad_vector("there is no number after the last comma");
  }
  if (vector.empty()) return bad_vector("there is no number in it");
  return vector;
}

Result<std::vector<float>> read_vector(const std::string& path) {
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Close> file;
  if (path != "-") {
    file.reset(std::fopen(path.c_str(), "rb"));
    if (!file) return bad_vector(fmt::format("{}: {}", path, std::strerror(errno)));
  }
  std::FILE* const from = file ? file.get() : stdin;
  std::string text;
  std::array<char, 65536> buffer;
  for (;;) {
    const auto got = std::fread(buffer.data(), 1, buffer.size(), from);
    text.append(buffer.data(), got);
    if (text.size() > kMaxFileBytes) return bad_vector(fmt::format("{}: more than {} bytes", path, kMaxFileBytes));
    if (got < buffer.size()) break;
  }
  if (std::ferror(from) != 0) return bad_vector(fmt::format("{}: {}", path, std::strerror(errno)));
  auto vector = parse_vector(text);
  if (!vector) return bad_vector(fmt::format("{}: {}", path, vector.error().message));
  return vector;
}

Result<nlohmann::json> parse_point_id(const std::string& text) {
  const auto* const end = text.data() + text.size();
  std::uint64_t number = 0;
  const auto [stopped, failed] = std::from_chars(text.data(), end, number);
  if (!text.empty() && failed == std::errc() && stopped == end && std::to_string(number) == text) {
    return nlohmann::json(number);
  }
  std::string id = text;
  if (text.size() >= 2 && text.starts_with('"')) {
    const auto quoted = nlohmann::json::parse(text, nullptr, false);
    if (!quoted.is_string()) return bad_vector(fmt::format("{} is not a string of JSON", printable(text)));
    id = quoted.get<std::string>();
  }
  if (id.empty() || id.size() > 256) return bad_vector("an id has 1 to 256 bytes");
  return nlohmann::json(id);
}

}  // namespace vectorizer::client
