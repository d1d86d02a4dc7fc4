#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "vectorizer/model/requests.hpp"

namespace vectorizer {

/// Which write of a client this is, on one shard: the same however often and to whatever node it is sent.
struct RequestId {
  std::uint64_t high = 0, low = 0;
  friend auto operator<=>(const RequestId&, const RequestId&) = default;
};

/// With the id, what is written: the same id with another body is an error of the client.
struct RequestStamp {
  RequestId id;
  std::uint64_t body = 0;  ///< hash of the operations on this shard
  friend bool operator==(const RequestStamp&, const RequestStamp&) = default;
};

/// What became of a write, as the shard remembers it.
struct RequestResult {
  RequestStamp stamp;
  std::int64_t at_ms = 0;  ///< since 1970, by the clock of the primary that wrote it
  std::vector<WriteOutcome> outcomes;
  friend bool operator==(const RequestResult&, const RequestResult&) = default;
};

struct RequestIdHash {
  std::size_t operator()(const RequestId& id) const { return static_cast<std::size_t>(id.high ^ id.low); }
};

}  // namespace vectorizer
