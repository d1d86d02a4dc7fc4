#include "supervisor.hpp"

#include <netdb.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <memory>
#include <string_view>

namespace vectorizer::app {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr std::string_view kQuestion = "GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
/// Rounds within the time that systemd waits for a sign of life: one may be missed.
constexpr int kRounds = 3;

using Addresses = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

Addresses resolve(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) found = nullptr;
  return {found, &freeaddrinfo};
}

void bound_waiting(int handle, milliseconds timeout) {
  timeval limit{};
  limit.tv_sec = timeout.count() / 1000;
  limit.tv_usec = timeout.count() % 1000 * 1000;
  setsockopt(handle, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);  // of connecting, too
  setsockopt(handle, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

/// The kernel completes connections for a process that does nothing; so this waits until something comes back. That may
/// be the end of the connection: a server with too many of them closes the next, and is alive.
bool answers(const addrinfo& address, milliseconds timeout) {
  const int handle = socket(address.ai_family, address.ai_socktype | SOCK_CLOEXEC, address.ai_protocol);
  if (handle < 0) return false;
  bound_waiting(handle, timeout);
  bool alive = false;
  if (connect(handle, address.ai_addr, address.ai_addrlen) == 0) {
    char reply[64];
    const bool sent = send(handle, kQuestion.data(), kQuestion.size(), MSG_NOSIGNAL) > 0;
    const auto received = sent ? recv(handle, reply, sizeof reply, 0) : -1;
    alive = received >= 0 || errno == ECONNRESET || errno == EPIPE;
  }
  close(handle);
  return alive;
}

bool answers(const addrinfo* addresses, milliseconds timeout) {
  for (const auto* address = addresses; address != nullptr; address = address->ai_next) {
    if (answers(*address, timeout)) return true;
  }
  return false;
}

}  // namespace

void Supervisor::serving(const std::string& host, std::uint16_t port) {
  sd_notifyf(0, "READY=1\nSTATUS=serves port %u", static_cast<unsigned>(port));
  std::uint64_t wanted = 0;
  if (sd_watchdog_enabled(0, &wanted) <= 0) return;
  const auto interval = std::chrono::duration_cast<milliseconds>(microseconds(wanted)) / kRounds;
  const std::shared_ptr<const addrinfo> addresses = resolve(host, port);
  watchdog_.start(interval, [interval, addresses](const std::stop_token&) {
    if (answers(addresses.get(), interval)) {
      sd_notify(0, "WATCHDOG=1");
    } else {
      spdlog::error("this process does not answer on its own port within {} ms; systemd will end it", interval.count());
    }
  });
}

void Supervisor::stopping() {
  watchdog_.stop();
  sd_notify(0, "STOPPING=1\nSTATUS=finishing running requests");
}

}  // namespace vectorizer::app
