#include <benchmark/benchmark.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "kernels.hpp"

namespace vectorizer::index {
namespace {

template <typename Element>
std::vector<Element> values(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<Element> out(size);
  for (auto& value : out) value = static_cast<Element>(static_cast<int>(random() % 100));
  return out;
}

template <typename A, typename B, typename Kernel>
void measure(benchmark::State& state, Kernel kernel) {
  const auto size = static_cast<std::size_t>(state.range(0));
  const auto a = values<A>(size, 1);
  const auto b = values<B>(size, 2);
  for (auto unused : state) {
    (void)unused;
    benchmark::DoNotOptimize(kernel(a.data(), b.data(), size));
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) *
                          static_cast<std::int64_t>(size * (sizeof(A) + sizeof(B))));
}

template <typename A, typename B, typename Kernel>
void add(const std::string& name, Kernel kernel) {
  benchmark::RegisterBenchmark(name.c_str(), [kernel](benchmark::State& state) { measure<A, B>(state, kernel); })
      ->Arg(128)
      ->Arg(784)
      ->Arg(1536);
}

[[maybe_unused]] const bool registered = [] {
  for (const Kernels* set : supported_kernels()) {
    const std::string prefix = std::string(set->name) + "/";
    add<std::uint8_t, std::int8_t>(prefix + "dot_u8_s8", set->dot_u8_s8);
    add<std::uint8_t, std::uint8_t>(prefix + "dot_u8_u8", set->dot_u8_u8);
    add<float, float>(prefix + "dot_f32", set->dot_f32);
    add<float, float>(prefix + "squared_distance_f32", set->squared_distance_f32);
  }
  return true;
}();

}  // namespace
}  // namespace vectorizer::index
