#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "vectorizer/base/result.hpp"
#include "vectorizer/storage/database.hpp"
#include "vectorizer/storage/shard_store.hpp"

/// The bytes on disk; docs/formats/points.md describes them for readers without this code.
namespace vectorizer::storage {

inline constexpr char kPointValueVersion = 1;
inline constexpr std::uint32_t kMaxStoredDimension = 65536;

/// Start of every key of a copy in the column family `points`: its number, big-endian.
std::string copy_prefix(CopyNumber copy);
/// Greater than every key of the copy, smaller than every key of the next one.
std::string copy_end(CopyNumber copy);
std::string point_key(CopyNumber copy, const PointId& id);
/// The id in a key of `points`; nothing if the key is not one.
std::optional<PointId> id_of_key(std::string_view key);

/// Appends to `out`, so that a batch can reuse one buffer.
void append_point_value(std::string& out, SequenceNumber sequence, const Point& point);
/// Error (kInternal, saying what is wrong) for bytes that append_point_value cannot have written.
Result<StoredPoint> decode_point_value(const PointId& id, std::string_view value);

/// What became of a write, as a value of the column family `results`, whose keys are those of `operations`; in logs
/// too.
void append_result_value(std::string& out, SequenceNumber sequence, const RequestResult& result);
/// As a change: with its sequence. Error (kInternal) for bytes that append_result_value cannot have written.
Result<StoredWrite> decode_result_value(std::string_view value);

/// Key in the column family `operations` of the entry of a copy that ends with `last`.
std::string operation_key(CopyNumber copy, SequenceNumber last);
std::optional<SequenceNumber> sequence_of_operation_key(std::string_view key);
/// Greater than every key of the copy's log, smaller than every key of the next one's.
std::string operations_end(CopyNumber copy);

/// Key in the column family `local` of what a copy's log remembers beside its entries.
std::string log_state_key(CopyNumber copy);
/// Key in the column family `local` of the last sequence that a copy holds.
std::string sequence_key(CopyNumber copy);
std::string encode_sequence(SequenceNumber sequence);
std::optional<SequenceNumber> decode_sequence(std::string_view value);
/// Key in `local` of a record of put_local(); apart from all the others.
std::string local_key(std::string_view key);
/// Key in `local` of the number of the format that the database is written in.
std::string format_key();

}  // namespace vectorizer::storage
