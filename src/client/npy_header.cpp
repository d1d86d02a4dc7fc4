#include "npy_header.hpp"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <string>
#include <vector>

#include "vector_reader.hpp"

namespace vectorizer::client {
namespace {

Error header_error(const std::string& what) {
  return Error{ErrorType::kValidation, "npy header: " + what};
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\n") - first + 1);
}

/// What follows "'key':", up to the ',' or '}' that ends it; commas inside parentheses belong to it.
std::optional<std::string_view> value_of(std::string_view text, std::string_view key) {
  auto at = text.find(fmt::format("'{}'", key));
  if (at == std::string_view::npos) return std::nullopt;
  at = text.find(':', at);
  if (at == std::string_view::npos) return std::nullopt;
  const auto rest = trimmed(text.substr(at + 1));
  const auto end = rest.starts_with('(') ? rest.find(')') + 1 : rest.find_first_of(",}");
  if (end == 0 || end == std::string_view::npos) return std::nullopt;
  return trimmed(rest.substr(0, end));
}

std::optional<std::vector<std::uint64_t>> parse_shape(std::string_view text) {
  if (text.size() < 2 || text.front() != '(' || text.back() != ')') return std::nullopt;
  text = text.substr(1, text.size() - 2);
  std::vector<std::uint64_t> sizes;
  while (!trimmed(text).empty()) {
    const auto comma = std::min(text.find(','), text.size());
    const auto part = trimmed(text.substr(0, comma));
    std::uint64_t size = 0;
    const auto [end, failed] = std::from_chars(part.data(), part.data() + part.size(), size);
    if (failed != std::errc{} || end != part.data() + part.size()) return std::nullopt;
    sizes.push_back(size);
    text = text.substr(std::min(comma + 1, text.size()));
  }
  return sizes;
}

}  // namespace

Result<NpyHeader> parse_npy_header(std::string_view text) {
  const auto type = value_of(text, "descr");
  const auto order = value_of(text, "fortran_order");
  const auto shape = value_of(text, "shape");
  if (!type || !order || !shape) return header_error("descr, fortran_order or shape is missing");
  NpyHeader header;
  if (*type == "'<f4'") {
    header.element = NpyHeader::Element::kFloat32;
  } else if (*type == "'<f8'") {
    header.element = NpyHeader::Element::kFloat64;
  } else if (*type == "'|u1'" || *type == "'<u1'") {
    header.element = NpyHeader::Element::kUint8;
  } else {
    return header_error(fmt::format("elements of type {} are not read, only '<f4', '<f8' and '|u1'", *type));
  }
  if (*order != "False") return header_error("the array is in Fortran order; only C order is read");
  const auto sizes = parse_shape(*shape);
  if (!sizes || sizes->size() != 2) return header_error(fmt::format("shape {} is not (rows, dimension)", *shape));
  header.rows = (*sizes)[0];
  if (header.rows == 0) return header_error("the array has no rows");
  if ((*sizes)[1] < 1 || (*sizes)[1] > kMaxDimension) {
    return header_error(fmt::format("dimension {} is not in 1..{}", (*sizes)[1], kMaxDimension));
  }
  header.dimension = static_cast<std::size_t>((*sizes)[1]);
  return header;
}

}  // namespace vectorizer::client
