#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include "vectorizer/base/result.hpp"

namespace vectorizer::peer {

/// A connection that carries bytes in order, or breaks; nothing is sent again. The side that opened it writes, the
/// other side reads; a read on the opening side says when the connection has ended.
///
/// One thread may read while another one writes; `close` may be called from any thread at any time.
class ByteStream {
 public:
  virtual ~ByteStream() = default;

  /// Blocks until there is at least one byte; 0 when the connection has ended in good order.
  virtual Result<std::size_t> read(std::span<char> buffer) = 0;
  /// Blocks until the connection has taken all of `bytes`.
  virtual Result<void> write(std::string_view bytes) = 0;
  /// Ends the connection for both sides and wakes whoever is blocked in it. Idempotent.
  virtual void close() noexcept = 0;
};

/// Who opens a stream and whom it must reach. A process that answers at the address of another one is not that one:
/// streams to its predecessor are refused.
struct StreamRoute {
  std::uint64_t from = 0;    ///< raft id of the side that opens
  std::uint64_t to = 0;      ///< raft id of the side that accepts
  std::string from_address;  ///< of `from`, as the raft configuration has it (`n-<hex>`)
};

/// Opens streams between the members of the metadata's raft group; knows where a raft id is reached. Thread-safe.
class StreamConnector {
 public:
  virtual ~StreamConnector() = default;
  /// Blocks until the other side has accepted, at most for a second or two; sooner once `stop` is requested. Each
  /// stream has a connection of its own, so that bulk data of other calls is never in front of it.
  virtual Result<std::unique_ptr<ByteStream>> connect(const StreamRoute& route, const std::stop_token& stop) = 0;
};

}  // namespace vectorizer::peer
