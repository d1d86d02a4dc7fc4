#pragma once

#include <cstdint>

namespace vectorizer::control {

/// 64 bits from the kernel's generator: for names that must differ on every machine and every start.
std::uint64_t random_bits();

}  // namespace vectorizer::control
