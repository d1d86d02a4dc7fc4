#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "vectorizer/base/result.hpp"

namespace vectorizer::client {

/// What the dictionary at the start of a .npy file says, as far as we read such files.
struct NpyHeader {
  enum class Element : std::uint8_t { kFloat32, kFloat64, kUint8 };
  Element element = Element::kFloat32;
  std::uint64_t rows = 0;
  std::size_t dimension = 0;
};

/// Parses "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }". Everything but a two-dimensional array in C
/// order of f4, f8 (little-endian) or u1 is refused; the message says what was found.
Result<NpyHeader> parse_npy_header(std::string_view text);

}  // namespace vectorizer::client
