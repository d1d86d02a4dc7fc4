#include "vectorizer/storage/operation_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>

#include "encoding.hpp"
#include "testing/memory_operation_log.hpp"
#include "unit/storage/store_fixture.hpp"
#include "vectorizer/storage/log_encoding.hpp"

namespace vectorizer::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

StoredWrite put(SequenceNumber sequence, std::uint64_t id, std::string payload = "") {
  return {sequence, false, Point{PointId(id), {1, 2, 3}, std::move(payload)}};
}

/// An entry of `count` points that follows `sequence`.
LogEntry entry_after(SequenceNumber sequence, std::uint64_t term, std::uint64_t count = 1, std::size_t payload = 0) {
  std::vector<StoredWrite> writes;
  for (std::uint64_t i = 1; i <= count; ++i) writes.push_back(put(sequence + i, i, std::string(payload, 'x')));
  return make_entry(term, writes);
}

/// What every OperationLog promises, in memory and in the database.
class OperationLogTest : public StoreTest, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    open_log();
  }
  void TearDown() override {
    log_.reset();
    StoreTest::TearDown();
  }
  void open_log() {
    log_.reset();
    if (std::string_view(GetParam()) == "Memory") {
      log_ = std::make_unique<testing::MemoryOperationLog>(memory_);
      return;
    }
    reopen();
    auto opened = database_->open_log(7);
    ASSERT_TRUE(opened) << opened.error().message;
    log_ = std::move(*opened);
  }
  void append(const LogEntry& entry, std::int64_t now_ms = 0) {
    const auto outcome = log_->append(std::span(&entry, 1), now_ms);
    ASSERT_TRUE(outcome) << outcome.error().message;
  }
  /// 1..2 and 3 of term 1, 4..6 and 7 of term 3.
  void fill() {
    append(entry_after(0, 1, 2), 100);
    append(entry_after(2, 1), 200);
    append(entry_after(3, 3, 3), 300);
    append(entry_after(6, 3), 400);
  }
  std::vector<SequenceNumber> ends_after(SequenceNumber sequence, std::size_t max_bytes = 1 << 20) {
    std::vector<SequenceNumber> ends;
    const auto entries = log_->read(sequence, max_bytes);
    EXPECT_TRUE(entries) << entries.error().message;
    if (entries) {
      for (const auto& entry : *entries) ends.push_back(entry.last);
    }
    return ends;
  }

  std::shared_ptr<testing::MemoryLogDisk> memory_ = std::make_shared<testing::MemoryLogDisk>();
  std::unique_ptr<OperationLog> log_;
};

TEST_P(OperationLogTest, IsEmptyAtFirst) {
  EXPECT_EQ(log_->base(), LogPosition{});
  EXPECT_EQ(log_->last(), LogPosition{});
  EXPECT_EQ(log_->term(), 0U);
  EXPECT_THAT(log_->terms(), IsEmpty());
  EXPECT_TRUE(*log_->contains({0, 0}));
  EXPECT_THAT(ends_after(0), IsEmpty());
}

TEST_P(OperationLogTest, SaysTheSameAfterARestart) {
  fill();
  ASSERT_TRUE(log_->set_term(5));
  for (int round = 0; round < 2; ++round, open_log()) {
    EXPECT_EQ(log_->base(), LogPosition{});
    EXPECT_EQ(log_->last(), (LogPosition{7, 3}));
    EXPECT_EQ(log_->term(), 5U);
    EXPECT_THAT(log_->terms(), ElementsAre(TermStart{1, 1}, TermStart{3, 4}));
    EXPECT_THAT(ends_after(0), ElementsAre(2, 3, 6, 7));
    EXPECT_EQ(log_->read(3, 1 << 20)->front(), entry_after(3, 3, 3));
  }
}

TEST_P(OperationLogTest, ContainsEndsOfEntriesWithTheirTerm) {
  fill();
  EXPECT_TRUE(*log_->contains({3, 1}));
  EXPECT_TRUE(*log_->contains({6, 3}));
  EXPECT_FALSE(*log_->contains({6, 1}));
  EXPECT_FALSE(*log_->contains({5, 3}));  // within an entry
  EXPECT_FALSE(*log_->contains({8, 3}));
}

TEST_P(OperationLogTest, ReadsAtLeastOneEntryAndNoMoreThanFits) {
  append(entry_after(0, 1, 1, 5000));
  append(entry_after(1, 1, 1, 5000));
  append(entry_after(2, 1, 1, 5000));
  EXPECT_THAT(ends_after(0, 1), ElementsAre(1));
  EXPECT_THAT(ends_after(0, 12000), ElementsAre(1, 2));
  EXPECT_THAT(ends_after(2, 12000), ElementsAre(3));
}

TEST_P(OperationLogTest, RefusesWhatDoesNotContinueIt) {
  fill();
  for (const LogEntry& wrong : {entry_after(8, 3), entry_after(6, 3), entry_after(7, 2)}) {
    EXPECT_FALSE(log_->append(std::span(&wrong, 1), 0));
  }
  append(entry_after(7, 3));  // a refusal leaves nothing behind
  EXPECT_EQ(log_->last(), (LogPosition{8, 3}));
}

TEST_P(OperationLogTest, AnEntryOfALargerTermIsThatTermSeen) {
  append(entry_after(0, 4));
  open_log();
  EXPECT_EQ(log_->term(), 4U);
}

TEST_P(OperationLogTest, TruncationTakesTheEntriesAndTheirTerms) {
  fill();
  ASSERT_TRUE(log_->truncate_after(3));
  for (int round = 0; round < 2; ++round, open_log()) {
    EXPECT_EQ(log_->last(), (LogPosition{3, 1}));
    EXPECT_EQ(log_->term(), 3U);  // it was seen
    EXPECT_THAT(log_->terms(), ElementsAre(TermStart{1, 1}));
    EXPECT_THAT(ends_after(0), ElementsAre(2, 3));
  }
  append(entry_after(3, 4, 2));
  EXPECT_THAT(log_->terms(), ElementsAre(TermStart{1, 1}, TermStart{4, 4}));
}

TEST_P(OperationLogTest, TruncationToNothingAndOfNothing) {
  fill();
  ASSERT_TRUE(log_->truncate_after(7));
  EXPECT_EQ(log_->last(), (LogPosition{7, 3}));
  ASSERT_TRUE(log_->truncate_after(0));
  EXPECT_EQ(log_->last(), LogPosition{});
  EXPECT_THAT(log_->terms(), IsEmpty());
  append(entry_after(0, 6));
}

TEST_P(OperationLogTest, PrunesWhatEverybodyHas) {
  fill();
  EXPECT_EQ(*log_->prune({.limit = 7, .needed_after = 5}), 2U);
  for (int round = 0; round < 2; ++round, open_log()) {
    EXPECT_EQ(log_->base(), (LogPosition{3, 1}));
    EXPECT_EQ(log_->last(), (LogPosition{7, 3}));
    EXPECT_THAT(log_->terms(), ElementsAre(TermStart{1, 3}, TermStart{3, 4}));
    EXPECT_TRUE(*log_->contains({3, 1}));
    EXPECT_FALSE(*log_->contains({2, 1}));
    EXPECT_FALSE(*log_->contains({0, 0}));
    EXPECT_THAT(ends_after(3), ElementsAre(6, 7));
  }
}

TEST_P(OperationLogTest, PrunesByAgeAndSizeUpToTheLimitOnly) {
  fill();
  EXPECT_EQ(*log_->prune({.limit = 7, .keep_after_ms = 150}), 1U);
  EXPECT_EQ(*log_->prune({.limit = 7, .keep_after_ms = 150}), 0U);
  EXPECT_EQ(*log_->prune({.limit = 6, .keep_bytes = 0}), 2U);
  EXPECT_EQ(log_->base(), (LogPosition{6, 3}));
  EXPECT_GT(log_->bytes(), 0U);
  EXPECT_EQ(*log_->prune({.limit = 7, .keep_bytes = 0}), 1U);
  EXPECT_EQ(log_->bytes(), 0U);
  open_log();
  EXPECT_EQ(log_->last(), (LogPosition{7, 3}));
  append(entry_after(7, 3));
}

TEST_P(OperationLogTest, BeginsWhereACheckpointEnds) {
  ASSERT_TRUE(log_->begin_at({41, 6}, 8));
  EXPECT_EQ(log_->last(), (LogPosition{41, 6}));
  open_log();
  EXPECT_EQ(log_->base(), (LogPosition{41, 6}));
  EXPECT_EQ(log_->term(), 8U);
  EXPECT_TRUE(*log_->contains({41, 6}));
  EXPECT_THAT(log_->terms(), ElementsAre(TermStart{6, 41}));
  append(entry_after(41, 6));
  EXPECT_THAT(log_->terms(), ElementsAre(TermStart{6, 41}));
  EXPECT_FALSE(log_->begin_at({50, 6}, 8));  // it is not new any more
}

INSTANTIATE_TEST_SUITE_P(Kinds, OperationLogTest, ::testing::Values("Memory", "Rocks"),
                         [](const auto& kind) { return kind.param; });

using RocksOperationLogTest = StoreTest;

TEST_F(RocksOperationLogTest, TheWholeOfALongTailIsTruncated) {
  auto log = std::move(*database_->open_log(7));
  std::vector<LogEntry> entries;
  for (SequenceNumber s = 0; s < 3000; ++s) entries.push_back(entry_after(s, 1));
  ASSERT_TRUE(log->append(entries, 0));
  ASSERT_TRUE(log->truncate_after(5));
  EXPECT_EQ(log->last(), (LogPosition{5, 1}));
  EXPECT_EQ(log->read(0, 1 << 20)->size(), 5U);
}

TEST_F(RocksOperationLogTest, NeighboursDoNotSeeEachOther) {
  auto log = std::move(*database_->open_log(7)), before = std::move(*database_->open_log(6)),
       after = std::move(*database_->open_log(8));
  const auto first = entry_after(0, 1), other = entry_after(0, 2);
  ASSERT_TRUE(before->append(std::span(&other, 1), 0));
  ASSERT_TRUE(after->append(std::span(&other, 1), 0));
  ASSERT_TRUE(log->append(std::span(&first, 1), 0));
  ASSERT_TRUE(database_->drop_store(7));
  EXPECT_EQ((*database_->open_log(6))->last(), (LogPosition{1, 2}));
  EXPECT_EQ((*database_->open_log(7))->last(), LogPosition{});
  EXPECT_EQ((*database_->open_log(7))->term(), 0U);
  EXPECT_EQ((*database_->open_log(8))->last(), (LogPosition{1, 2}));
}

TEST_F(RocksOperationLogTest, ADatabaseWithoutLogsGetsThem) {
  ASSERT_TRUE(write(*store_, {upsert(1, PointId(1), {1})}));
  ASSERT_TRUE(database_->rocks().DropColumnFamily(database_->family(ColumnFamily::kOperations)).ok());
  reopen();
  auto log = std::move(*database_->open_log(1));
  const auto entry = entry_after(0, 1);
  EXPECT_TRUE(log->append(std::span(&entry, 1), 0));
  EXPECT_EQ(store_->applied_sequence(), 1U);
}

TEST_F(RocksOperationLogTest, ABeginAtIsWhereThePointsAreAppliedTo) {
  const auto copy = database_->open_logged_store(9);
  ASSERT_TRUE(write(*copy, {upsert(12, PointId(1), {1}), upsert(3, PointId(2), {1})}));
  ASSERT_TRUE((*database_->open_log(9))->begin_at({12, 2}, 2));
  reopen();
  EXPECT_EQ(database_->open_logged_store(9)->applied_sequence(), 12U);
}

TEST_F(RocksOperationLogTest, ACheckpointIsOfOneMoment) {
  ASSERT_TRUE(write(*store_, {upsert(1, PointId(1), {1}), upsert(2, PointId(2), {1})}));
  SequenceNumber at = 0;
  std::vector<std::pair<PointId, SequenceNumber>> seen;
  const auto read = database_->read_checkpoint(
      1,
      [&](SequenceNumber sequence) {
        at = sequence;
        return write(*store_, {tombstone(3, PointId(1)), upsert(4, PointId(2), {9}), upsert(5, PointId(3), {1})});
      },
      [&](StoredPoint&& point) -> Result<void> {
        seen.emplace_back(point.point.id, point.sequence);
        return {};
      });
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(at, 2U);
  EXPECT_THAT(seen, ElementsAre(std::pair(PointId(1), 1U), std::pair(PointId(2), 2U)));
}

TEST_F(RocksOperationLogTest, ATornTailIsCutAtItsLastGoodEntry) {
  auto log = std::move(*database_->open_log(7));
  auto points = database_->open_logged_store(7);
  const auto first = entry_after(0, 1), second = entry_after(1, 2, 2, 4000);
  ASSERT_TRUE(log->append(std::span(&first, 1), 0));
  ASSERT_TRUE(points->write(*entry_writes(first)));
  ASSERT_TRUE(database_->rocks().FlushWAL(true).ok());
  std::filesystem::path file;
  for (const auto& found : std::filesystem::directory_iterator(options_.directory)) {
    if (found.path().extension() == ".log" && found.file_size() > 0) file = found.path();
  }
  const auto before = std::filesystem::file_size(file);
  ASSERT_TRUE(log->append(std::span(&second, 1), 0));
  ASSERT_TRUE(points->write(*entry_writes(second)));
  const auto copy = root_ / "power-cut";
  std::filesystem::copy(options_.directory, copy);
  const auto torn = copy / file.filename();
  // Within the entry: it is gone, and with it what was applied of it, because that was written later.
  std::filesystem::resize_file(torn, before + 1000);
  log.reset();
  points.reset();
  options_.directory = copy;
  reopen();
  log = std::move(*database_->open_log(7));
  EXPECT_EQ(log->last(), (LogPosition{1, 1}));
  EXPECT_EQ(log->term(), 1U);
  EXPECT_THAT(log->terms(), ElementsAre(TermStart{1, 1}));
  EXPECT_EQ(database_->open_logged_store(7)->applied_sequence(), 1U);
}

TEST_F(RocksOperationLogTest, AnAppendOutlivesAKilledProcess) {
  close();
  int pipe_ends[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {  // appends and applies until killed; each number on the pipe is durable
    MetricsRegistry metrics;
    auto database = open_database(options_, metrics);
    if (!database) ::_exit(1);
    auto log = (*database)->open_log(7);
    const auto points = (*database)->open_logged_store(7);
    for (SequenceNumber s = 0;; ++s) {
      const auto entry = entry_after(s, 1 + s / 10);
      if (!(*log)->append(std::span(&entry, 1), 0)) ::_exit(1);
      if (::write(pipe_ends[1], &entry.last, sizeof entry.last) != sizeof entry.last) ::_exit(1);
      if (!points->write(*entry_writes(entry))) ::_exit(1);
      if (s % 7 == 0 && !(*log)->prune({.limit = s, .needed_after = s})) ::_exit(1);
    }
  }
  ::close(pipe_ends[1]);
  SequenceNumber durable = 0;
  while (durable < 50) ASSERT_EQ(::read(pipe_ends[0], &durable, sizeof durable), 8);
  ::kill(child, SIGKILL);
  SequenceNumber number = 0;
  while (::read(pipe_ends[0], &number, sizeof number) == sizeof number) durable = number;
  ::close(pipe_ends[0]);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  reopen();
  auto log = std::move(*database_->open_log(7));
  const auto applied = database_->open_logged_store(7)->applied_sequence();
  EXPECT_GE(log->last().sequence, durable);
  EXPECT_LE(log->base().sequence, applied);
  EXPECT_LE(applied, log->last().sequence);
  const auto rest = log->read(log->base().sequence, 1 << 20);
  ASSERT_TRUE(rest);
  EXPECT_EQ(rest->size(), log->last().sequence - log->base().sequence);
  EXPECT_EQ(log->last().term, 1 + (log->last().sequence - 1) / 10);
}

TEST_F(RocksOperationLogTest, ADamagedEntryIsAnErrorNotAnEntry) {
  auto log = std::move(*database_->open_log(7));
  const auto entry = entry_after(0, 1);
  ASSERT_TRUE(log->append(std::span(&entry, 1), 0));
  auto& rocks = database_->rocks();
  auto* const family = database_->family(ColumnFamily::kOperations);
  ASSERT_TRUE(rocks.Put({}, family, operation_key(7, 1), "short").ok());
  EXPECT_FALSE(log->read(0, 1000));
  EXPECT_FALSE(log->contains({1, 1}));
  EXPECT_FALSE(database_->open_log(7));
}

TEST(LogEncoding, ReadsBackWhatWasWritten) {
  const std::vector<StoredWrite> writes{put(5, 1, "{}"), {6, true, Point{PointId("a"), {}, {}}}, put(7, 1)};
  const LogEntry entry = make_entry(3, writes);
  EXPECT_EQ(entry.first, 5U);
  EXPECT_EQ(entry.position(), (LogPosition{7, 3}));
  const auto read = entry_writes(entry);
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ((*read)[i].sequence, writes[i].sequence);
    EXPECT_EQ((*read)[i].deleted, writes[i].deleted);
    EXPECT_EQ((*read)[i].point.id, writes[i].point.id);
    EXPECT_EQ((*read)[i].point.vector, writes[i].point.vector);
    EXPECT_EQ((*read)[i].point.payload, writes[i].point.payload);
  }
  EXPECT_THAT(*entry_writes(make_noop(3, 8)), IsEmpty());
}

TEST(LogEncoding, HasTheBytesOfTheFormatDocument) {
  const std::vector<StoredWrite> writes{{2, false, Point{PointId(7), {1.0F}, "{}"}},
                                        {3, true, Point{PointId("a"), {}, {}}}};
  const std::string expected(
      "\x01"
      "\x01\x09\0\0\0\0\0\0\0\0\0\x07\x13\0\0\0\x01\x02\0\0\0\0\0\0\0\x01\0\0\0\0\0\x80\x3F{}"
      "\0\x02\0\x01"
      "a",
      41);
  EXPECT_EQ(make_entry(1, writes).bytes, expected);
}

TEST(LogEncoding, EveryDamageIsAnErrorOrAnotherChange) {
  const std::vector<StoredWrite> writes{put(5, 1, "{}"), {6, true, Point{PointId("a"), {}, {}}}};
  const LogEntry entry = make_entry(3, writes);
  for (std::size_t size = 0; size < entry.bytes.size(); ++size) {
    LogEntry cut = entry;
    cut.bytes.resize(size);
    EXPECT_FALSE(entry_writes(cut)) << size;
  }
  for (std::size_t at = 0; at < entry.bytes.size(); ++at) {
    for (const char byte : {'\0', '\x01', '\x7f', '\xff'}) {
      LogEntry damaged = entry;
      damaged.bytes[at] = byte;
      if (const auto read = entry_writes(damaged)) {
        EXPECT_EQ(read->size(), 2U);
      }
    }
  }
  LogEntry longer = entry;
  longer.last = 7;
  EXPECT_FALSE(entry_writes(longer));
  longer.bytes[0] = 9;
  EXPECT_THAT(entry_writes(longer).error().message, HasSubstr("version 9"));
  LogEntry backwards = make_noop(3, 8);
  backwards.last = 7;
  EXPECT_FALSE(entry_writes(backwards));
}

TEST(LogEncoding, ASliceOfACheckpointReadsBack) {
  std::string slice;
  append_point(slice, {Point{PointId(1), {1, 2}, "{}"}, 40});
  append_point(slice, {Point{PointId("b"), {3}, ""}, 2});
  const auto points = slice_writes(slice);
  ASSERT_TRUE(points) << points.error().message;
  ASSERT_EQ(points->size(), 2U);
  EXPECT_EQ((*points)[0].sequence, 40U);
  EXPECT_EQ((*points)[1].point.id, PointId("b"));
  for (std::size_t size = 1; size + 1 < slice.size(); ++size) {
    const auto cut = slice_writes(std::string_view(slice).substr(0, size));
    EXPECT_TRUE(!cut || cut->size() < 2) << size;
  }
  EXPECT_FALSE(slice_writes(make_entry(1, std::vector<StoredWrite>{{1, true, Point{}}}).bytes));
}

}  // namespace
}  // namespace vectorizer::storage
