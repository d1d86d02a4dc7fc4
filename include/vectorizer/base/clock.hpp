#pragma once

#include <chrono>
#include <functional>

namespace vectorizer {

/// Time since the machine started, suspended time included (CLOCK_BOOTTIME): what leases are measured with, because a
/// machine that slept must find its lease expired.
using BootTime = std::chrono::nanoseconds;

BootTime boot_now();

/// Injected where a test must decide what time it is.
using BootClock = std::function<BootTime()>;

}  // namespace vectorizer
