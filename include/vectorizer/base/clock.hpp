#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

namespace vectorizer {

/// Time since the machine started, suspended time included (CLOCK_BOOTTIME): what leases are measured with, because a
/// machine that slept must find its lease expired.
using BootTime = std::chrono::nanoseconds;

BootTime boot_now();

/// Milliseconds since 1970, as the wall clock has it: for what people read and for ages of days. It may jump.
std::int64_t wall_ms();

/// Injected where a test must decide what time it is.
using BootClock = std::function<BootTime()>;

}  // namespace vectorizer
