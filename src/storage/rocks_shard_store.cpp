#include "rocks_shard_store.hpp"

#include <fmt/format.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "encoding.hpp"
#include "rocks_database.hpp"
#include "rocks_status.hpp"
#include "vectorizer/base/clock.hpp"

namespace vectorizer::storage {

namespace {

Result<SequenceNumber> read_sequence(const RocksDatabase& database, CopyNumber copy, const rocksdb::ReadOptions& how) {
  std::string value;
  const auto status = database.rocks().Get(how, database.family(ColumnFamily::kLocal), sequence_key(copy), &value);
  if (status.IsNotFound()) return SequenceNumber{0};
  RETURN_IF_ERROR(database.read_of(copy, status, fmt::format("read the sequence of copy {}", copy)));
  if (const auto sequence = decode_sequence(value)) return *sequence;
  return database.made_of(copy, Result<SequenceNumber>(Error{ErrorType::kInternal,
                                                             fmt::format("the sequence of copy {} is damaged", copy)}));
}

/// The smallest key greater than the one of `after` is that key and a zero byte.
std::string first_key(CopyNumber copy, const std::optional<PointId>& after) {
  return after ? point_key(copy, *after) + '\0' : copy_prefix(copy);
}

/// Visits the points from key `start` on until `visit` returns false.
Result<void> scan_points(const RocksDatabase& database, CopyNumber copy, const std::string& start,
                         rocksdb::ReadOptions how, const std::function<Result<bool>(StoredPoint&&)>& visit) {
  const std::string end = copy_end(copy);
  const rocksdb::Slice upper(end);
  how.iterate_upper_bound = &upper;
  how.fill_cache = false;  // a scan must not push out what reads by id have warmed
  how.adaptive_readahead = true;
  const std::unique_ptr<rocksdb::Iterator> entry(
      database.rocks().NewIterator(how, database.family(ColumnFamily::kPoints)));
  for (entry->Seek(start); entry->Valid(); entry->Next()) {
    const auto id = id_of_key(entry->key().ToStringView());
    if (!id) {
      return database.made_of(
          copy, Result<void>(Error{ErrorType::kInternal,
                                   fmt::format("copy {} holds a damaged key: {}", copy, entry->key().ToString(true))}));
    }
    ASSIGN_OR_RETURN(auto stored, database.made_of(copy, decode_point_value(*id, entry->value().ToStringView())));
    ASSIGN_OR_RETURN(const bool more, visit(std::move(stored)));
    if (!more) return {};
  }
  return database.read_of(copy, entry->status(), fmt::format("scan copy {}", copy));
}

}  // namespace

RocksShardStore::RocksShardStore(RocksDatabase& database, CopyNumber copy, Sync sync)
    : database_(database), copy_(copy), sync_(sync) {
  if (auto sequence = read_sequence(database_, copy_, {})) {
    applied_ = *sequence;
  } else {
    open_error_ = std::move(sequence).error();
  }
}

bool RocksShardStore::has_room_for(std::uint64_t bytes) const {
  return database_.has_room_for(bytes);
}

Result<void> RocksShardStore::usable() const {
  if (open_error_) return *open_error_;
  return {};
}

Result<void> RocksShardStore::write(std::span<const StoredWrite> writes) {
  RETURN_IF_ERROR(usable());
  if (writes.empty()) return {};
  const bool adds = std::any_of(writes.begin(), writes.end(), [](const StoredWrite& write) { return !write.deleted; });
  // What a log has committed must be applied: the log refused earlier.
  if (adds && sync_ == Sync::kAsConfigured && database_.storage_full()) {
    return Error{ErrorType::kStorageFull, "the disk is nearly full; deletes and reads work, other writes are refused"};
  }
  auto* const points = database_.family(ColumnFamily::kPoints);
  auto* const results = database_.family(ColumnFamily::kResults);
  const auto with_result = static_cast<std::size_t>(
      std::count_if(writes.begin(), writes.end(), [](const StoredWrite& write) { return write.result.has_value(); }));
  rocksdb::WriteBatch batch;
  std::string value;
  const std::lock_guard results_lock(results_mutex_);
  std::vector<SequenceNumber> outdated;
  if (with_result > 0) {
    RETURN_IF_ERROR(load_results());
    outdated = results_.outdated(with_result, wall_ms());
    for (const auto sequence : outdated) {
      RETURN_IF_ERROR(to_result(batch.Delete(results, operation_key(copy_, sequence)), "add to a batch"));
    }
  }
  for (const auto& write : writes) {
    if (write.result) {
      value.clear();
      append_result_value(value, write.sequence, *write.result);
      RETURN_IF_ERROR(to_result(batch.Put(results, operation_key(copy_, write.sequence), value), "add to a batch"));
      continue;
    }
    const std::string key = point_key(copy_, write.point.id);
    rocksdb::Status status;
    if (write.deleted) {
      status = batch.Delete(points, key);
    } else {
      value.clear();
      append_point_value(value, write.sequence, write.point);
      status = batch.Put(points, key, value);
    }
    RETURN_IF_ERROR(to_result(status, "add to a batch"));
  }
  const SequenceNumber last = writes.back().sequence;
  RETURN_IF_ERROR(to_result(
      batch.Put(database_.family(ColumnFamily::kLocal), sequence_key(copy_), encode_sequence(last)), "add to a batch"));
  if (auto committed = sync_ == Sync::kNever ? database_.commit_unsynced(batch) : database_.commit(batch, false);
      !committed) {
    doubtful_ = std::max(doubtful_.load(), last);
    results_loaded_ = false;
    return committed;
  }
  results_.drop_oldest(outdated.size());
  for (const auto& write : writes) {
    if (write.result) results_.add(write.result->stamp.id, write.sequence, write.result->at_ms);
  }
  applied_.store(last, std::memory_order_release);
  return {};
}

Result<void> RocksShardStore::load_results() const {
  if (results_loaded_) return {};
  results_.clear();
  RETURN_IF_ERROR(scan_results(database_, copy_, nullptr, [this](StoredWrite&& write) -> Result<void> {
    results_.add(write.result->stamp.id, write.sequence, write.result->at_ms);
    return {};
  }));
  results_loaded_ = true;
  return {};
}

Result<std::optional<RequestResult>> RocksShardStore::find_result(const RequestId& id) const {
  RETURN_IF_ERROR(usable());
  const std::lock_guard results_lock(results_mutex_);
  RETURN_IF_ERROR(load_results());
  const auto sequence = results_.find(id, wall_ms());
  if (!sequence) return std::optional<RequestResult>();
  std::string value;
  const auto status =
      database_.rocks().Get({}, database_.family(ColumnFamily::kResults), operation_key(copy_, *sequence), &value);
  RETURN_IF_ERROR(database_.read_of(copy_, status, fmt::format("read the result {} of copy {}", *sequence, copy_)));
  ASSIGN_OR_RETURN(auto stored, database_.made_of(copy_, decode_result_value(value)));
  return std::move(stored.result);
}

Result<void> RocksShardStore::scan_results(const RocksDatabase& database, CopyNumber copy,
                                           const rocksdb::Snapshot* moment,
                                           const std::function<Result<void>(StoredWrite&&)>& visit) {
  const std::string end = operations_end(copy);
  const rocksdb::Slice upper(end);
  rocksdb::ReadOptions how;
  how.snapshot = moment;
  how.iterate_upper_bound = &upper;
  const std::unique_ptr<rocksdb::Iterator> entry(
      database.rocks().NewIterator(how, database.family(ColumnFamily::kResults)));
  for (entry->Seek(operation_key(copy, 0)); entry->Valid(); entry->Next()) {
    ASSIGN_OR_RETURN(auto stored, database.made_of(copy, decode_result_value(entry->value().ToStringView())));
    RETURN_IF_ERROR(visit(std::move(stored)));
  }
  return database.read_of(copy, entry->status(), fmt::format("scan the results of copy {}", copy));
}

Result<std::optional<StoredPoint>> RocksShardStore::get(const PointId& id) const {
  RETURN_IF_ERROR(usable());
  rocksdb::PinnableSlice value;
  const auto status = database_.rocks().Get({}, database_.family(ColumnFamily::kPoints), point_key(copy_, id), &value);
  if (status.IsNotFound()) return std::optional<StoredPoint>();
  RETURN_IF_ERROR(database_.read_of(copy_, status, fmt::format("read vector {}", id.to_json())));
  ASSIGN_OR_RETURN(auto stored, database_.made_of(copy_, decode_point_value(id, value.ToStringView())));
  return std::optional(std::move(stored));
}

Result<std::vector<std::optional<StoredPoint>>> RocksShardStore::get_many(std::span<const PointId> ids) const {
  RETURN_IF_ERROR(usable());
  std::vector<std::string> keys;
  keys.reserve(ids.size());
  for (const auto& id : ids) keys.push_back(point_key(copy_, id));
  const std::vector<rocksdb::Slice> slices(keys.begin(), keys.end());
  std::vector<rocksdb::PinnableSlice> values(ids.size());
  std::vector<rocksdb::Status> statuses(ids.size());
  database_.rocks().MultiGet({}, database_.family(ColumnFamily::kPoints), slices.size(), slices.data(), values.data(),
                             statuses.data());
  std::vector<std::optional<StoredPoint>> found(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (statuses[i].IsNotFound()) continue;
    RETURN_IF_ERROR(database_.read_of(copy_, statuses[i], fmt::format("read vector {}", ids[i].to_json())));
    ASSIGN_OR_RETURN(auto stored, database_.made_of(copy_, decode_point_value(ids[i], values[i].ToStringView())));
    found[i] = std::move(stored);
  }
  return found;
}

Result<void> RocksShardStore::scan(const std::optional<PointId>& after,
                                   const std::function<bool(StoredPoint&&)>& visit) const {
  RETURN_IF_ERROR(usable());
  return scan_points(database_, copy_, first_key(copy_, after), {},
                     [&](StoredPoint&& point) -> Result<bool> { return visit(std::move(point)); });
}

Result<void> RocksShardStore::scan_at(const RocksDatabase& database, CopyNumber copy, const rocksdb::Snapshot& moment,
                                      const std::optional<PointId>& after,
                                      const std::function<Result<void>(SequenceNumber)>& begin,
                                      const std::function<Result<bool>(StoredPoint&&)>& visit) {
  rocksdb::ReadOptions how;
  how.snapshot = &moment;
  ASSIGN_OR_RETURN(const SequenceNumber sequence, read_sequence(database, copy, how));
  RETURN_IF_ERROR(begin(sequence));
  return scan_points(database, copy, first_key(copy, after), how, visit);
}

}  // namespace vectorizer::storage
