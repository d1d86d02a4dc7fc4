#include "rocks_operation_log.hpp"

#include <fmt/format.h>

#include <cstring>
#include <memory>
#include <optional>

#include "encoding.hpp"
#include "rocks_database.hpp"
#include "rocks_status.hpp"

namespace vectorizer::storage {
namespace {

constexpr char kStateVersion = 1, kEntryVersion = 1;
/// Entries that one batch drops.
constexpr std::size_t kDroppedAtOnce = 1024;

void append_u64(std::string& out, std::uint64_t value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}
std::uint64_t read_u64(std::string_view bytes, std::size_t at) {
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

std::uint64_t stored_bytes(const LogEntry& entry) {
  return EntryHeader::kBytes + entry.bytes.size();
}

/// The iterator must not outlive the slice with its bound.
std::unique_ptr<rocksdb::Iterator> iterate(const RocksDatabase& database, const rocksdb::Slice& upper) {
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &upper;
  options.fill_cache = false;
  return std::unique_ptr<rocksdb::Iterator>(
      database.rocks().NewIterator(options, database.family(ColumnFamily::kOperations)));
}

}  // namespace

std::string EntryHeader::encode() const {
  std::string bytes(1, kEntryVersion);
  for (const std::uint64_t value : {first, term, total, static_cast<std::uint64_t>(appended_ms)}) {
    append_u64(bytes, value);
  }
  return bytes;
}

Result<EntryHeader> EntryHeader::decode(std::string_view value) {
  if (value.size() < kBytes || value[0] != kEntryVersion) {
    return Error{ErrorType::kInternal, "an entry of an operation log is damaged"};
  }
  return EntryHeader{read_u64(value, 1), read_u64(value, 9), read_u64(value, 17),
                     static_cast<std::int64_t>(read_u64(value, 25))};
}

std::string LogState::encode() const {
  std::string bytes(1, kStateVersion);
  for (const std::uint64_t value : {term, base.sequence, base.term, base_total}) append_u64(bytes, value);
  for (const TermStart& start : terms) {
    append_u64(bytes, start.term);
    append_u64(bytes, start.first);
  }
  return bytes;
}

Result<LogState> LogState::decode(std::string_view bytes) {
  constexpr std::size_t kFixed = 1 + 4 * sizeof(std::uint64_t), kStart = 2 * sizeof(std::uint64_t);
  if (bytes.size() < kFixed || bytes[0] != kStateVersion || (bytes.size() - kFixed) % kStart != 0) {
    return Error{ErrorType::kInternal, "the state of an operation log is damaged"};
  }
  LogState state{read_u64(bytes, 1), {read_u64(bytes, 9), read_u64(bytes, 17)}, read_u64(bytes, 25), {}};
  for (std::size_t at = kFixed; at < bytes.size(); at += kStart) {
    state.terms.push_back({read_u64(bytes, at), read_u64(bytes, at + 8)});
  }
  return state;
}

Result<std::unique_ptr<OperationLog>> RocksOperationLog::open(RocksDatabase& database, CopyNumber copy) {
  std::unique_ptr<RocksOperationLog> log(new RocksOperationLog(database, copy));
  RETURN_IF_ERROR(log->load());
  return std::unique_ptr<OperationLog>(std::move(log));
}

Result<void> RocksOperationLog::load() {
  std::string bytes;
  const auto status = database_.rocks().Get({}, database_.family(ColumnFamily::kLocal), log_state_key(copy_), &bytes);
  LogState state;
  if (!status.IsNotFound()) {
    RETURN_IF_ERROR(database_.read_of(copy_, status, fmt::format("read the log of copy {}", copy_)));
    ASSIGN_OR_RETURN(state, database_.made_of(copy_, LogState::decode(bytes)));
  }
  ASSIGN_OR_RETURN(const End end, end_on_disk(state));
  cut_terms(state.terms, end.position.sequence);  // a truncation may have been cut short
  publish(std::move(state), end);
  return {};
}

Result<RocksOperationLog::End> RocksOperationLog::end_on_disk(const LogState& state) const {
  const std::string bound = operations_end(copy_);
  const rocksdb::Slice upper(bound);
  const auto entry = iterate(database_, upper);
  entry->SeekForPrev(bound);
  RETURN_IF_ERROR(database_.read_of(copy_, entry->status(), fmt::format("read the log of copy {}", copy_)));
  const bool any = entry->Valid() && entry->key().starts_with(copy_prefix(copy_));
  if (!any) return End{state.base, state.base_total};
  const auto sequence = sequence_of_operation_key(entry->key().ToStringView());
  ASSIGN_OR_RETURN(const EntryHeader header,
                   database_.made_of(copy_, EntryHeader::decode(entry->value().ToStringView())));
  if (!sequence || *sequence <= state.base.sequence) {
    return database_.made_of(
        copy_, Result<End>(Error{ErrorType::kInternal, fmt::format("the log of copy {} holds a damaged key", copy_)}));
  }
  return End{{*sequence, header.term}, header.total};
}

LogPosition RocksOperationLog::base() const {
  return state().base;
}
LogPosition RocksOperationLog::last() const {
  return end().position;
}
std::uint64_t RocksOperationLog::term() const {
  return state().term;
}
std::vector<TermStart> RocksOperationLog::terms() const {
  return state().terms;
}

std::uint64_t RocksOperationLog::bytes() const {
  const std::lock_guard lock(mutex_);
  return end_.total - state_.base_total;
}

LogState RocksOperationLog::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

RocksOperationLog::End RocksOperationLog::end() const {
  const std::lock_guard lock(mutex_);
  return end_;
}

void RocksOperationLog::publish(LogState state, const End& end) {
  const std::lock_guard lock(mutex_);
  state_ = std::move(state);
  end_ = end;
}

void RocksOperationLog::put_state(rocksdb::WriteBatch& batch, const LogState& state) const {
  // A batch without a size limit takes everything.
  (void)batch.Put(database_.family(ColumnFamily::kLocal), log_state_key(copy_), state.encode());
}

Result<bool> RocksOperationLog::contains(const LogPosition& position) const {
  if (position == base()) return true;
  std::string value;
  const auto status = database_.rocks().Get({}, database_.family(ColumnFamily::kOperations),
                                            operation_key(copy_, position.sequence), &value);
  if (status.IsNotFound()) return false;
  RETURN_IF_ERROR(database_.read_of(copy_, status, fmt::format("read entry {} of copy {}", position.sequence, copy_)));
  ASSIGN_OR_RETURN(const EntryHeader header, database_.made_of(copy_, EntryHeader::decode(value)));
  return header.term == position.term;
}

Result<std::vector<LogEntry>> RocksOperationLog::read(SequenceNumber sequence, std::size_t max_bytes) const {
  const std::string bound = operations_end(copy_);
  const rocksdb::Slice upper(bound);
  const auto entry = iterate(database_, upper);
  std::vector<LogEntry> entries;
  std::size_t bytes = 0;
  SequenceNumber next = sequence + 1;
  for (entry->Seek(operation_key(copy_, next)); entry->Valid(); entry->Next()) {
    const auto value = entry->value().ToStringView();
    ASSIGN_OR_RETURN(const EntryHeader header, database_.made_of(copy_, EntryHeader::decode(value)));
    const auto last = sequence_of_operation_key(entry->key().ToStringView());
    if (!last || header.first != next || *last < header.first) {
      return Error{ErrorType::kInternal, fmt::format("the log of copy {} has a gap after {}", copy_, next - 1)};
    }
    if (!entries.empty() && bytes + value.size() > max_bytes) break;
    bytes += value.size();
    entries.push_back({header.first, *last, header.term, std::string(value.substr(EntryHeader::kBytes))});
    if (bytes >= max_bytes) break;
    next = *last + 1;
  }
  RETURN_IF_ERROR(database_.read_of(copy_, entry->status(), fmt::format("read the log of copy {}", copy_)));
  return entries;
}

Result<void> RocksOperationLog::check_next(const LogEntry& entry, const LogPosition& after) const {
  if (entry.first == after.sequence + 1 && entry.last >= entry.first && entry.term >= after.term) return {};
  return Error{ErrorType::kInternal, fmt::format("entry {}..{} of term {} does not follow {} of term {}", entry.first,
                                                 entry.last, entry.term, after.sequence, after.term)};
}

Result<void> RocksOperationLog::append(std::span<const LogEntry> entries, std::int64_t now_ms) {
  if (entries.empty()) return {};
  if (doubtful_) return Error{ErrorType::kInternal, "the end of the operation log is not known"};
  LogState state = this->state();
  End end = this->end();
  rocksdb::WriteBatch batch;
  bool new_term = false;
  for (const LogEntry& entry : entries) {
    RETURN_IF_ERROR(check_next(entry, end.position));
    if (state.terms.empty() || state.terms.back().term != entry.term) {
      state.terms.push_back({entry.term, entry.first});
      new_term = true;
    }
    if (entry.term > state.term) {
      state.term = entry.term;
      new_term = true;
    }
    end = {entry.position(), end.total + stored_bytes(entry)};
    const std::string header = EntryHeader{entry.first, entry.term, end.total, now_ms}.encode();
    RETURN_IF_ERROR(to_result(
        batch.Put(database_.family(ColumnFamily::kOperations), operation_key(copy_, entry.last), header + entry.bytes),
        "add to a batch"));
  }
  if (new_term) put_state(batch, state);
  if (auto written = database_.commit(batch, false); !written) {
    doubtful_ = true;
    return written;
  }
  publish(std::move(state), end);
  return {};
}

Result<void> RocksOperationLog::truncate_after(SequenceNumber sequence) {
  LogState state = this->state();
  if (sequence < state.base.sequence) {
    return Error{ErrorType::kInternal, fmt::format("the log of copy {} begins after {}", copy_, sequence)};
  }
  const std::string bound = operations_end(copy_);
  const rocksdb::Slice upper(bound);
  cut_terms(state.terms, sequence);
  // From the end, so that a crash in between leaves a log that only ends later.
  for (bool more = true; more;) {
    const auto entry = iterate(database_, upper);
    rocksdb::WriteBatch batch;
    std::size_t dropped = 0;
    more = false;
    for (entry->SeekForPrev(bound); entry->Valid() && entry->key().starts_with(copy_prefix(copy_)); entry->Prev()) {
      const auto last = sequence_of_operation_key(entry->key().ToStringView());
      if (last && *last <= sequence) break;
      if (++dropped > kDroppedAtOnce) {
        more = true;
        break;
      }
      RETURN_IF_ERROR(to_result(batch.Delete(database_.family(ColumnFamily::kOperations), entry->key()), "drop"));
    }
    RETURN_IF_ERROR(database_.read_of(copy_, entry->status(), fmt::format("read the log of copy {}", copy_)));
    if (!more) put_state(batch, state);
    RETURN_IF_ERROR(database_.commit(batch, false));
  }
  ASSIGN_OR_RETURN(const End end, end_on_disk(state));
  publish(std::move(state), end);
  doubtful_ = false;
  return {};
}

Result<void> RocksOperationLog::set_term(std::uint64_t term) {
  LogState state = this->state();
  if (term <= state.term) return {};
  state.term = term;
  rocksdb::WriteBatch batch;
  put_state(batch, state);
  RETURN_IF_ERROR(database_.commit(batch, true));
  publish(std::move(state), end());
  return {};
}

Result<std::size_t> RocksOperationLog::prune(const PrunePolicy& policy) {
  LogState state = this->state();
  const End end = this->end();
  const std::string bound = operations_end(copy_);
  const rocksdb::Slice upper(bound);
  const auto entry = iterate(database_, upper);
  rocksdb::WriteBatch batch;
  std::size_t dropped = 0;
  // From the base on, so that the tombstones of earlier pruning are not walked through.
  for (entry->Seek(operation_key(copy_, state.base.sequence + 1)); entry->Valid() && dropped < kDroppedAtOnce;
       entry->Next()) {
    const auto last = sequence_of_operation_key(entry->key().ToStringView());
    ASSIGN_OR_RETURN(const EntryHeader header,
                     database_.made_of(copy_, EntryHeader::decode(entry->value().ToStringView())));
    if (!last || *last > policy.limit) break;
    const bool goes = *last <= policy.needed_after || end.total - state.base_total > policy.keep_bytes ||
                      header.appended_ms < policy.keep_after_ms;
    if (!goes) break;
    RETURN_IF_ERROR(to_result(batch.Delete(database_.family(ColumnFamily::kOperations), entry->key()), "prune"));
    state.base = {*last, header.term};
    state.base_total = header.total;
    ++dropped;
  }
  RETURN_IF_ERROR(database_.read_of(copy_, entry->status(), fmt::format("read the log of copy {}", copy_)));
  if (dropped == 0) return dropped;
  rebase_terms(state.terms, state.base);
  put_state(batch, state);
  // What follows in the same write-ahead log is lost before this is, so it needs no sync of its own.
  RETURN_IF_ERROR(database_.commit_unsynced(batch));
  publish(std::move(state), end);
  return dropped;
}

Result<void> RocksOperationLog::begin_at(const LogPosition& at, std::uint64_t term) {
  if (last() != LogPosition{}) return Error{ErrorType::kInternal, fmt::format("the log of copy {} is not new", copy_)};
  LogState state{std::max(term, at.term), at, 0, {}};
  rebase_terms(state.terms, at);
  rocksdb::WriteBatch batch;
  put_state(batch, state);
  RETURN_IF_ERROR(
      to_result(batch.Put(database_.family(ColumnFamily::kLocal), sequence_key(copy_), encode_sequence(at.sequence)),
                "add to a batch"));
  RETURN_IF_ERROR(database_.commit(batch, true));
  publish(std::move(state), End{at, 0});
  return {};
}

}  // namespace vectorizer::storage
