#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "raft_c.hpp"
#include "vectorizer/base/result.hpp"

namespace vectorizer::consensus {

// Keys and values of the Raft store (docs/formats/raft-store.md). Decoding never trusts the disk.

inline constexpr auto kRaftFormatKey = "F";
inline constexpr auto kRaftStateKey = "M";
inline constexpr auto kRaftSnapshotKey = "S";
inline constexpr auto kRaftEntryPrefix = "L";

/// Whose store it is; written when it is created.
std::string encode_format(raft_id owner);
Result<raft_id> decode_format(std::string_view value);

/// The term and, within it, the vote.
struct HardState {
  raft_term term = 0;
  raft_id vote = 0;
};
std::string encode_hard_state(const HardState& state);
Result<HardState> decode_hard_state(std::string_view value);

std::string entry_key(raft_index index);
std::optional<raft_index> index_of_key(std::string_view key);
std::string encode_entry(const raft_entry& entry);
/// The entry is a batch of its own: libraft frees it through `batch`.
Result<raft_entry> decode_entry(std::string_view value);

std::string encode_snapshot(const raft_snapshot& snapshot);
/// Always with exactly one buffer.
Result<OwnedSnapshot> decode_snapshot(std::string_view value);

/// The state of a snapshot with its length in front, padded to the multiple of 8 bytes that libraft's messages need.
std::string pack_state(std::string_view state);
Result<std::string_view> unpack_state(std::string_view packed);

}  // namespace vectorizer::consensus
