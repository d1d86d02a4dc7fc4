#include "interrupt.hpp"

#include <csignal>

namespace vectorizer::client {
namespace {

std::atomic<bool> stop_requested = false;
static_assert(std::atomic<bool>::is_always_lock_free, "the handler may only touch what is lock-free");

extern "C" void on_signal(int /*signal*/) {
  stop_requested.store(true);
}

}  // namespace

const std::atomic<bool>& stop_on_signal() {
  stop_requested.store(false);
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  return stop_requested;
}

}  // namespace vectorizer::client
