#pragma once

#include <chrono>
#include <cstdint>

#include "vectorizer/base/clock.hpp"

namespace vectorizer::control {

/// What the oldest thing that waits for the disk says of this node. A disk that hangs gives no errors: it is known by
/// its silence. A node that gives its lease up lets others take its shards over; one that goes on hanging must end,
/// because nothing else frees what others wait for.
///
/// A process that was stopped, or that got no processor, was not waiting for its disk. By one thread.
class Watchdog {
 public:
  static constexpr std::chrono::seconds kSlow{5};
  static constexpr std::chrono::seconds kHung{30};
  /// Between two looks.
  static constexpr std::chrono::milliseconds kInterval{250};

  enum class Verdict : std::uint8_t {
    kWorks,
    kSlow,  ///< no lease may be renewed
    kHung,  ///< the process must end
  };
  /// @param waiting for how long the oldest of what waits does
  Verdict look(std::chrono::milliseconds waiting, BootTime now);

 private:
  /// A look that comes so late was not kept by the disk.
  static constexpr std::chrono::seconds kStopped{2};

  bool looked_ = false;
  BootTime last_{0};
  BootTime awake_since_{0};
};

}  // namespace vectorizer::control
