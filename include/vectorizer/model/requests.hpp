#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "vectorizer/model/deadline.hpp"
#include "vectorizer/model/filter.hpp"
#include "vectorizer/model/point.hpp"
#include "vectorizer/model/session.hpp"

namespace vectorizer {

/// How a payload changes: RFC 7396 merge, shallow set, replace, remove keys, clear.
enum class PayloadMode : std::uint8_t { kMerge, kSet, kReplace, kDeleteKeys, kClear };

/// One change to one point, as a client meant it. The shard turns it into a physical result under its write order.
struct WriteOp {
  enum class Kind : std::uint8_t {
    kUpsert,   ///< `vector` and `payload` replace what is there
    kPatch,    ///< `vector` if not empty, `payload` (a JSON merge patch) if not empty; not_found if absent
    kDelete,   ///< not_found if absent
    kPayload,  ///< `payload`/`keys` by `mode`; not_found if absent
  };
  Kind kind = Kind::kUpsert;
  PointId id;
  std::vector<float> vector;
  std::string payload;
  PayloadMode mode = PayloadMode::kMerge;
  std::vector<std::string> keys;  ///< kDeleteKeys: paths (payload_path.hpp)
  /// Operations by filter: applied only if this still holds when the shard orders the write. Not owned; may be null.
  const Filter* only_if = nullptr;
};

/// What became of one WriteOp.
enum class WriteOutcome : std::uint8_t { kApplied, kNotFound };

/// Which parts of a point a reply carries.
struct Projection {
  bool with_payload = true;
  bool with_vector = false;
  std::vector<std::string> payload_keys;  ///< when not empty, only what these paths (payload_path.hpp) name
  /// How much one call may gather of points before it is kPayloadTooLarge; a page of a scroll ends early instead.
  std::uint64_t max_bytes = std::numeric_limits<std::uint64_t>::max();
};

/// From whom a read is answered: from any copy that is in sync, which may lag a little, or from the primary, which has
/// everything that was acknowledged.
enum class Consistency : std::uint8_t { kAny, kPrimary };

/// Who may answer a read, and until when. A copy that is asked for `session` waits a little until it has it, or says
/// that another one must be asked; a primary that can never have it says session_lost.
struct ReadFrom {
  Consistency consistency = Consistency::kPrimary;
  ShardPositions session;  ///< what the read must see of the shards that it asks
  Deadline deadline;
};

struct SearchQuery {
  std::vector<float> vector;  ///< `dimension` finite floats, as sent
  std::size_t limit = 10;     ///< 1.., results wanted
  std::size_t offset = 0;     ///< limit + offset <= 10,000
  std::optional<Filter> filter;
  Projection projection;
  std::optional<float> score_threshold;  ///< a minimum score; a maximum distance for euclidean
  std::optional<std::uint32_t> ef;
  bool exact = false;
  std::optional<bool> rescore;
  bool allow_partial = false;
  Consistency consistency = Consistency::kAny;
  ShardPositions session;                   ///< as in ReadFrom
  std::optional<std::uint32_t> timeout_ms;  ///< as the client asked; `deadline` is what counts
  Deadline deadline;                        ///< checked between shards and while one is scanned
};

struct ScrollQuery {
  std::size_t limit = 100;
  std::optional<PointId> after;  ///< only ids greater than this
  std::optional<Filter> filter;
  Projection projection;
};

}  // namespace vectorizer
