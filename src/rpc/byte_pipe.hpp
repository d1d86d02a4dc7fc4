#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>

#include "vectorizer/peer/byte_stream.hpp"
#include "vectorizer/rpc/v1/raft.pb.h"

namespace vectorizer::rpc {

namespace wire = vectorizer::rpc::v1;

/// Turns gRPC's reactions into blocking reads and writes; both ends of a Raft stream are one. At most one message waits
/// in each direction: who writes faster than the other end reads is held up by gRPC's flow control.
class BytePipe {
 public:
  /// The operations of a reactor. Each of the first two is begun only after the former of its kind has ended.
  class Carrier {
   public:
    virtual ~Carrier() = default;
    virtual void begin_read(wire::Bytes* into) = 0;
    virtual void begin_write(const wire::Bytes* from) = 0;
    virtual void cancel() = 0;
  };

  explicit BytePipe(Carrier& carrier) : carrier_(carrier) {}

  Result<std::size_t> read(std::span<char> buffer);
  Result<void> write(std::string_view bytes);
  /// One message without bytes, as the sign that a stream was accepted.
  void write_empty();
  void close();

  void read_done(bool ok);
  void write_done(bool ok);
  /// Nothing comes or goes any more. No error: the other side has ended it in good order.
  void ended(std::optional<Error> error);

 private:
  static constexpr std::size_t kMaxMessage = std::size_t{256} << 10;
  Error broken() const;
  void send(std::unique_lock<std::mutex>& lock, std::string_view bytes);

  Carrier& carrier_;
  std::mutex mutex_;
  std::condition_variable changed_;
  wire::Bytes incoming_;
  std::size_t taken_ = 0;  // of incoming_
  bool reading_ = false, no_more_ = false;
  wire::Bytes outgoing_;
  bool writing_ = false, write_failed_ = false;
  bool closed_ = false, ended_ = false;
  std::optional<Error> error_;
};

}  // namespace vectorizer::rpc
