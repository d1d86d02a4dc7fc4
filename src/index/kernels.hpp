#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace vectorizer::index {

/// The inner loops, compiled once per instruction set. Any length works, and nothing past it is read.
struct Kernels {
  const char* name;
  /// Sum of a[i] * b[i]; exact up to 65,536 elements.
  std::int32_t (*dot_u8_s8)(const std::uint8_t* a, const std::int8_t* b, std::size_t size);
  /// Sum of a[i] * b[i]; exact up to 65,536 elements.
  std::uint32_t (*dot_u8_u8)(const std::uint8_t* a, const std::uint8_t* b, std::size_t size);
  float (*dot_f32)(const float* a, const float* b, std::size_t size);
  /// Sum of (a[i] - b[i])^2.
  float (*squared_distance_f32)(const float* a, const float* b, std::size_t size);
};

/// The fastest that this processor runs; chosen once.
const Kernels& kernels();
/// All that this processor runs, fastest first.
std::span<const Kernels* const> supported_kernels();

extern const Kernels kPortableKernels;
#if defined(__x86_64__)
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;
#endif

}  // namespace vectorizer::index
