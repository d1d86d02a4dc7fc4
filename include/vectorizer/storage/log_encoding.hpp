#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vectorizer/base/result.hpp"
#include "vectorizer/model/log_entry.hpp"
#include "vectorizer/storage/shard_store.hpp"

/// Changes as bytes, in logs and between nodes: docs/formats/operation-log.md.
namespace vectorizer::storage {

/// One group commit as an entry of the log. The sequences of the writes are consecutive; not empty.
LogEntry make_entry(std::uint64_t term, std::span<const StoredWrite> writes);
/// An entry without changes, which takes the sequence number `sequence`.
LogEntry make_noop(std::uint64_t term, SequenceNumber sequence);
/// The writes of an entry; none for a no-op. Error (kInternal) for bytes that make_entry cannot have written.
Result<std::vector<StoredWrite>> entry_writes(const LogEntry& entry);

/// A slice of a checkpoint, built up from an empty string; points and results are not in the same one.
void append_point(std::string& slice, const StoredPoint& point);
void append_result_of_write(std::string& slice, const StoredWrite& result);
Result<std::vector<StoredWrite>> slice_writes(std::string_view slice);

}  // namespace vectorizer::storage
