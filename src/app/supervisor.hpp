#pragma once

#include <cstdint>
#include <string>

#include "vectorizer/base/periodic.hpp"

namespace vectorizer::app {

/// What systemd is told about a service of Type=notify. Without systemd (no $NOTIFY_SOCKET) nothing happens.
class Supervisor {
 public:
  /// Requests are served at `host`:`port`. If systemd wants a sign of life (WatchdogSec=), it gets one as long as that
  /// port answers: a thread that only ticks would also tick in a process that serves nobody.
  void serving(const std::string& host, std::uint16_t port);
  /// The port closes, running requests finish.
  void stopping();

 private:
  Periodic watchdog_;
};

}  // namespace vectorizer::app
