#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "vectorizer/peer/byte_stream.hpp"

namespace vectorizer::testing {

/// A connected Unix socket.
class SocketStream final : public peer::ByteStream {
 public:
  explicit SocketStream(int descriptor) : descriptor_(descriptor) {}
  SocketStream(const SocketStream&) = delete;
  SocketStream& operator=(const SocketStream&) = delete;
  ~SocketStream() override { ::close(descriptor_); }

  Result<std::size_t> read(std::span<char> buffer) override {
    for (;;) {
      const auto got = ::recv(descriptor_, buffer.data(), buffer.size(), 0);
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR) return Error{ErrorType::kNodeUnreachable, std::strerror(errno)};
    }
  }
  Result<void> write(std::string_view bytes) override {
    while (!bytes.empty()) {
      const auto sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0) return Error{ErrorType::kNodeUnreachable, std::strerror(errno)};
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return {};
  }
  void close() noexcept override { ::shutdown(descriptor_, SHUT_RDWR); }

  /// One line, without its end; nothing when the connection ends first.
  std::optional<std::string> read_line() {
    for (;;) {
      if (const auto end = pending_.find('\n'); end != std::string::npos) {
        auto line = pending_.substr(0, end);
        pending_.erase(0, end + 1);
        return line;
      }
      char buffer[1024];
      const auto got = read(buffer);
      if (!got || *got == 0) return std::nullopt;
      pending_.append(buffer, *got);
    }
  }

 private:
  const int descriptor_;
  std::string pending_;
};

inline sockaddr_un unix_address(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  return address;
}

inline std::unique_ptr<SocketStream> connect_to(const std::filesystem::path& path) {
  const auto address = unix_address(path);
  auto stream = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(stream, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(stream);
    return nullptr;
  }
  return std::make_unique<SocketStream>(stream);
}

/// Listens at a path, taking the place of who listened there before.
class UnixListener {
 public:
  explicit UnixListener(const std::filesystem::path& path) {
    std::filesystem::remove(path);
    const auto address = unix_address(path);
    descriptor_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::bind(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(descriptor_, 64) != 0) {
      std::abort();
    }
  }
  UnixListener(const UnixListener&) = delete;
  UnixListener& operator=(const UnixListener&) = delete;
  ~UnixListener() { ::close(descriptor_); }
  std::unique_ptr<SocketStream> accept() {
    const int accepted = ::accept4(descriptor_, nullptr, nullptr, SOCK_CLOEXEC);
    return accepted < 0 ? nullptr : std::make_unique<SocketStream>(accepted);
  }

 private:
  int descriptor_;
};

/// Members as processes of one machine: `<directory>/<raft id>.raft` is where each listens. A stream begins with a line
/// "<from> <to> <address of from>".
class UnixConnector final : public peer::StreamConnector {
 public:
  explicit UnixConnector(std::filesystem::path directory) : directory_(std::move(directory)) {}
  Result<std::unique_ptr<peer::ByteStream>> connect(const peer::StreamRoute& route, const std::stop_token&) override {
    auto stream = connect_to(directory_ / (std::to_string(route.to) + ".raft"));
    if (!stream) return Error{ErrorType::kNodeUnreachable, "nobody listens"};
    RETURN_IF_ERROR(
        stream->write(std::to_string(route.from) + ' ' + std::to_string(route.to) + ' ' + route.from_address + '\n'));
    return std::unique_ptr<peer::ByteStream>(std::move(stream));
  }

 private:
  const std::filesystem::path directory_;
};

}  // namespace vectorizer::testing
