#include "random_bits.hpp"

#include <random>

namespace vectorizer::control {

std::uint64_t random_bits() {
  thread_local std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

}  // namespace vectorizer::control
