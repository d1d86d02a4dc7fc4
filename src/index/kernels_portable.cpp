#include <array>

#include "kernels.hpp"

namespace vectorizer::index {
namespace {

// Several sums at once, so that the processor need not wait for one addition before it starts the next.
constexpr std::size_t kLanes = 8;

template <typename Sum, typename Term>
Sum accumulate(std::size_t size, Term term) {
  std::array<Sum, kLanes> lanes{};
  std::size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += term(i + lane);
  }
  for (; i < size; ++i) lanes[0] += term(i);
  Sum sum{};
  for (const Sum lane : lanes) sum += lane;
  return sum;
}

std::int32_t dot_u8_s8(const std::uint8_t* a, const std::int8_t* b, std::size_t size) {
  return accumulate<std::int32_t>(size, [=](std::size_t i) { return std::int32_t{a[i]} * std::int32_t{b[i]}; });
}

std::uint32_t dot_u8_u8(const std::uint8_t* a, const std::uint8_t* b, std::size_t size) {
  return accumulate<std::uint32_t>(size, [=](std::size_t i) { return std::uint32_t{a[i]} * std::uint32_t{b[i]}; });
}

float dot_f32(const float* a, const float* b, std::size_t size) {
  return accumulate<float>(size, [=](std::size_t i) { return a[i] * b[i]; });
}

float squared_distance_f32(const float* a, const float* b, std::size_t size) {
  return accumulate<float>(size, [=](std::size_t i) { return (a[i] - b[i]) * (a[i] - b[i]); });
}

}  // namespace

const Kernels kPortableKernels{"portable", dot_u8_s8, dot_u8_u8, dot_f32, squared_distance_f32};

}  // namespace vectorizer::index
