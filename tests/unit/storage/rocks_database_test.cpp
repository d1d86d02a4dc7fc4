#include "rocks_database.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <regex>
#include <thread>

#include "encoding.hpp"
#include "unit/storage/store_fixture.hpp"
#include "vectorizer/storage/log_encoding.hpp"

namespace vectorizer::storage {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

class RocksDatabaseTest : public StoreTest {
 protected:
  /// The newest write-ahead log that is not empty.
  std::filesystem::path log_file() const {
    std::filesystem::path newest;
    for (const auto& entry : std::filesystem::directory_iterator(options_.directory)) {
      if (entry.path().extension() == ".log" && entry.file_size() > 0 && entry.path() > newest) newest = entry.path();
    }
    return newest;
  }
  int syncs() const {
    const std::string text = metrics_.expose();
    std::smatch match;
    const std::regex count("vectorizer_wal_sync_seconds_count (\\d+)");
    return std::regex_search(text, match, count) ? std::stoi(match[1]) : -1;
  }
};

/// A directory of a version that knew no results: it has no such column family, and entries of version 1.
TEST_F(RocksDatabaseTest, ADirectoryWithoutResultsOpens) {
  ASSERT_TRUE(write(*store_, {upsert(1, PointId(1), {1})}));
  {
    auto log = std::move(*database_->open_log(2));
    ASSERT_TRUE(log->append(std::vector{make_entry(1, std::vector{upsert(1, PointId(7), {2})})}, 0));
  }
  close();
  rocksdb::Options options;
  std::vector<std::string> names;
  ASSERT_TRUE(rocksdb::DB::ListColumnFamilies(options, options_.directory.string(), &names).ok());
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const auto& name : names) families.emplace_back(name, rocksdb::ColumnFamilyOptions());
  {
    rocksdb::DB* raw = nullptr;
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    ASSERT_TRUE(rocksdb::DB::Open(options, options_.directory.string(), families, &handles, &raw).ok());
    const std::unique_ptr<rocksdb::DB> before(raw);
    for (auto* handle : handles) {
      const bool newer = handle->GetName() == "results";
      ASSERT_TRUE(!newer || before->DropColumnFamily(handle).ok());
      ASSERT_TRUE(before->DestroyColumnFamilyHandle(handle).ok());
    }
  }
  options_.read_only = true;
  reopen();
  EXPECT_TRUE(*store_->get(PointId(1)));
  options_.read_only = false;
  reopen();
  EXPECT_EQ(store_->applied_sequence(), 1U);
  EXPECT_FALSE(*store_->find_result({1, 1}));
  const auto log = std::move(*database_->open_log(2));
  const auto entries = log->read(0, 1000);
  ASSERT_TRUE(entries && entries->size() == 1);
  EXPECT_EQ(entries->front().bytes[0], 1);
  EXPECT_EQ((*entry_writes(entries->front()))[0].point.id, PointId(7));
  StoredWrite result;
  result.sequence = 2;
  result.deleted = true;
  result.result = RequestResult{{{1, 1}, 2}, 1LL << 50, {WriteOutcome::kApplied}};
  ASSERT_TRUE(write(*store_, {result}));
  EXPECT_TRUE(*store_->find_result({1, 1}));
}

TEST_F(RocksDatabaseTest, LocalRecordsSurviveARestart) {
  ASSERT_TRUE(database_->put_local("copies/1", "one"));
  ASSERT_TRUE(database_->put_local("copies/2", "two"));
  ASSERT_TRUE(database_->put_local("next", "3"));
  ASSERT_TRUE(database_->put_local("gone", "x"));
  ASSERT_TRUE(database_->delete_local("gone"));
  ASSERT_TRUE(write(*store_, {upsert(1, PointId(1), {1})}));
  reopen();
  const auto listed = database_->list_local("copies/");
  ASSERT_TRUE(listed);
  EXPECT_THAT(*listed, ElementsAre(Pair("copies/1", "one"), Pair("copies/2", "two")));
  const auto all = database_->list_local("");
  ASSERT_TRUE(all);
  EXPECT_EQ(all->size(), 3U);  // sequences and the format are not among them
  const auto gone = database_->get_local("gone");
  ASSERT_TRUE(gone);
  EXPECT_EQ(*gone, std::nullopt);
}

TEST_F(RocksDatabaseTest, LocalRecordsChangeTogetherInOneSyncedBatch) {
  ASSERT_TRUE(database_->put_local("old", "1"));
  const auto before = syncs();

  const std::vector<LocalWrite> writes{{"old", std::nullopt}, {"new", "2"}, {"newer", "3"}};
  ASSERT_TRUE(database_->write_local(writes));

  EXPECT_EQ(syncs(), before + 1);
  reopen();
  const auto all = database_->list_local("");
  ASSERT_TRUE(all);
  EXPECT_THAT(*all, ElementsAre(Pair("new", "2"), Pair("newer", "3")));
}

TEST_F(RocksDatabaseTest, ADroppedCopyIsGoneAndItsNeighboursStay) {
  const auto before = database_->open_store(0), after = database_->open_store(2);
  ASSERT_TRUE(write(*before, {upsert(1, PointId(1), {1})}));
  ASSERT_TRUE(write(*store_, {upsert(1, PointId(1), std::vector<float>(784, 1)), upsert(2, PointId("z"), {1})}));
  ASSERT_TRUE(write(*after, {upsert(1, PointId(0), {1})}));
  ASSERT_TRUE(database_->rocks().Flush({}, database_->family(ColumnFamily::kPoints)).ok());
  ASSERT_TRUE(database_->drop_store(1));
  reopen();
  EXPECT_THAT(ids_in(*database_->open_store(0)), ElementsAre(PointId(1)));
  EXPECT_THAT(ids_in(*database_->open_store(1)), IsEmpty());
  EXPECT_EQ(database_->open_store(1)->applied_sequence(), 0U);
  EXPECT_THAT(ids_in(*database_->open_store(2)), ElementsAre(PointId(0)));
}

TEST_F(RocksDatabaseTest, TheCopyWithTheLargestNumberCanBeDropped) {
  const auto last = database_->open_store(0xFFFFFFFF);
  ASSERT_TRUE(write(*last, {upsert(1, PointId("x"), {1})}));
  ASSERT_TRUE(database_->drop_store(0xFFFFFFFF));
  EXPECT_THAT(ids_in(*last), IsEmpty());
}

TEST_F(RocksDatabaseTest, ASecondOpenNamesTheDirectoryAndTheHolder) {
  MetricsRegistry metrics;
  const auto second = open_database(options_, metrics);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, AllOf(HasSubstr(options_.directory.string()),
                                            HasSubstr("in use by process " + std::to_string(::getpid()))));
}

TEST_F(RocksDatabaseTest, ADirectoryThatCannotBeMadeIsAnErrorThatNamesIt) {
  std::ofstream(root_ / "file") << "x";
  DatabaseOptions options = options_;
  options.directory = root_ / "file" / "db";
  MetricsRegistry metrics;
  const auto opened = open_database(options, metrics);
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr(options.directory.string()));
}

TEST_F(RocksDatabaseTest, ANewerFormatIsNotOpened) {
  ASSERT_TRUE(database_->rocks().Put({}, database_->family(ColumnFamily::kLocal), format_key(), "2").ok());
  close();
  MetricsRegistry metrics;
  const auto opened = open_database(options_, metrics);
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("has format 2; this version reads format 1"));
}

TEST_F(RocksDatabaseTest, ATornLogIsCutAtItsLastGoodRecord) {
  ASSERT_TRUE(write(*store_, {upsert(1, PointId(1), {1})}));
  const auto log = log_file();
  ASSERT_FALSE(log.empty());
  const auto after_first = std::filesystem::file_size(log);
  ASSERT_TRUE(write(*store_, {upsert(2, PointId(2), std::vector<float>(100, 1)), upsert(3, PointId(3), {1})}));
  const auto copy = root_ / "power-cut";
  std::filesystem::copy(options_.directory, copy);
  const auto torn = copy / log.filename();
  std::filesystem::resize_file(torn, after_first + (std::filesystem::file_size(torn) - after_first) / 2);
  close();
  options_.directory = copy;
  reopen();
  EXPECT_THAT(ids_in(*store_), ElementsAre(PointId(1)));  // the second batch is missing whole
  EXPECT_EQ(store_->applied_sequence(), 1U);
  EXPECT_TRUE(write(*store_, {upsert(2, PointId(9), {1})}));
}

TEST_F(RocksDatabaseTest, ADamagedDataFileIsReportedNotServed) {
  for (std::uint64_t i = 1; i <= 200; ++i) ASSERT_TRUE(write(*store_, {upsert(i, PointId(i), {1, 2, 3})}));
  ASSERT_TRUE(database_->rocks().Flush({}, database_->family(ColumnFamily::kPoints)).ok());
  close();
  int damaged = 0;
  for (const auto& entry : std::filesystem::directory_iterator(options_.directory)) {
    if (entry.path().extension() != ".sst" || entry.file_size() < 4096) continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(600);
    file.write("damage", 6);
    ++damaged;
  }
  ASSERT_GE(damaged, 1);
  reopen();
  const auto scanned = store_->scan(std::nullopt, [](StoredPoint&&) { return true; });
  ASSERT_FALSE(scanned);
  EXPECT_THAT(scanned.error().message, HasSubstr("damaged"));
}

TEST_F(RocksDatabaseTest, DamageIsToldWithTheCopyThatItIsOf) {
  const auto other = database_->open_store(2);
  for (std::uint64_t i = 1; i <= 200; ++i) {
    ASSERT_TRUE(write(*store_, {upsert(i, PointId(i), {1, 2, 3})}));
    ASSERT_TRUE(write(*other, {upsert(i, PointId(i), {1, 2, 3})}));
  }
  ASSERT_TRUE(database_->rocks().Flush({}, database_->family(ColumnFamily::kPoints)).ok());
  close();
  for (const auto& entry : std::filesystem::directory_iterator(options_.directory)) {
    if (entry.path().extension() != ".sst" || entry.file_size() < 4096) continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(600);  // in the first block
    file.write("damage", 6);
  }
  reopen();
  std::vector<CopyNumber> told;  // compaction may find it, too, and does not know whose it is
  database_->watch_damage([&](auto copy, const std::string&) {
    if (copy) told.push_back(*copy);
  });
  const auto last = store_->get(PointId(std::uint64_t{200}));
  ASSERT_TRUE(last) << last.error().message;
  EXPECT_TRUE(told.empty()) << "this block is good";
  EXPECT_FALSE(store_->get(PointId(std::uint64_t{1})));
  const auto nothing = [](auto&&...) -> Result<void> { return {}; };
  EXPECT_FALSE(database_->read_checkpoint(1, nothing, nothing));
  EXPECT_EQ(told, (std::vector<CopyNumber>{1, 1}));
  EXPECT_TRUE(database_->read_checkpoint(2, nothing, nothing));
  database_->watch_damage({});
  EXPECT_FALSE(store_->get(PointId(std::uint64_t{1})));
  EXPECT_EQ(told.size(), 2U);
}

TEST_F(RocksDatabaseTest, AFileThatCompactionCannotReadStopsNoWrites) {
  for (int file = 0; file < 3; ++file) {
    for (std::uint64_t i = 1; i <= 200; ++i) {
      ASSERT_TRUE(write(*store_, {upsert(file * 200U + i, PointId(i), {1, 2, 3})}));
    }
    ASSERT_TRUE(database_->rocks().Flush({}, database_->family(ColumnFamily::kPoints)).ok());
  }
  close();
  for (const auto& entry : std::filesystem::directory_iterator(options_.directory)) {
    if (entry.path().extension() != ".sst" || entry.file_size() < 4096) continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(600);
    file.write("damage", 6);
  }
  reopen();
  std::atomic<int> told = 0;
  database_->watch_damage([&](auto copy, const std::string&) {
    if (!copy) ++told;
  });
  EXPECT_FALSE(database_->rocks().CompactRange({}, database_->family(ColumnFamily::kPoints), nullptr, nullptr).ok());
  for (std::uint64_t i = 1; i <= 50; ++i) EXPECT_TRUE(write(*store_, {upsert(600 + i, PointId(1000 + i), {1, 2, 3})}));
  EXPECT_TRUE(store_->get(PointId(std::uint64_t{1001})));
  database_->watch_damage({});
}

TEST_F(RocksDatabaseTest, ADatabaseThatIsDamagedAsAWholeIsAConflictAndCanBeSetAside) {
  ASSERT_TRUE(write(*store_, {upsert(1, PointId(std::uint64_t{1}), {1})}));
  ASSERT_TRUE(database_->flush());
  close();
  int cut = 0;
  for (const auto& entry : std::filesystem::directory_iterator(options_.directory)) {
    if (entry.path().extension() != ".sst") continue;
    std::filesystem::resize_file(entry.path(), entry.file_size() / 2);
    ++cut;
  }
  ASSERT_GE(cut, 1);
  for (int i = 0; i < 2; ++i) {
    MetricsRegistry metrics;
    const auto opened = open_database(options_, metrics);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().type, ErrorType::kConflict) << opened.error().message;
    const auto place = set_aside(options_.directory);
    ASSERT_TRUE(place) << place.error().message;
    EXPECT_TRUE(std::filesystem::exists(*place / "CURRENT"));
    if (i == 0) std::filesystem::copy(*place, options_.directory);
  }
  reopen();
  EXPECT_TRUE(ids_in(*store_).empty());
}

TEST_F(RocksDatabaseTest, DamagedRecordsOfTheNodeItselfAreDamageOfTheWhole) {
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(database_->put_local("copy/" + std::to_string(i), std::string(50, 'x')));
  ASSERT_TRUE(database_->rocks().Flush({}, database_->family(ColumnFamily::kLocal)).ok());
  close();
  for (const auto& entry : std::filesystem::directory_iterator(options_.directory)) {
    if (entry.path().extension() != ".sst" || entry.file_size() < 4096) continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(600);
    file.write("damage", 6);
  }
  MetricsRegistry metrics;
  const auto opened = open_database(options_, metrics);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().type, ErrorType::kConflict) << opened.error().message;
}

TEST_F(RocksDatabaseTest, ARangeOfACopyIsReadAsOfOneMoment) {
  for (std::uint64_t i = 1; i <= 9; ++i) ASSERT_TRUE(write(*store_, {upsert(i, PointId(i), {1})}));
  std::vector<PointId> ids;
  SequenceNumber sequence = 0;
  const auto begin = [&](SequenceNumber at) -> Result<void> {
    sequence = at;
    return write(*store_, {upsert(10, PointId(std::uint64_t{10}), {1})});
  };
  const auto visit = [&](StoredPoint&& point) -> Result<bool> {
    ids.push_back(point.point.id);
    return ids.size() < 3;
  };
  ASSERT_TRUE(database_->read_range(1, PointId(std::uint64_t{4}), begin, visit));
  EXPECT_EQ(sequence, 9U);
  EXPECT_EQ(ids,
            (std::vector<PointId>{PointId(std::uint64_t{5}), PointId(std::uint64_t{6}), PointId(std::uint64_t{7})}));
  ids.clear();
  ASSERT_TRUE(database_->read_range(1, PointId(std::uint64_t{8}), begin, visit));
  EXPECT_EQ(ids.size(), 2U) << "10 was written before";
}

TEST_F(RocksDatabaseTest, AnAcknowledgedWriteOutlivesAKilledProcess) {
  close();
  int pipe_ends[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {  // writes until killed; each number on the pipe is acknowledged
    MetricsRegistry metrics;
    auto database = open_database(options_, metrics);
    if (!database) ::_exit(1);
    const auto store = (*database)->open_store(1);
    for (std::uint64_t i = 1;; ++i) {
      const std::vector<StoredWrite> writes{upsert(i, PointId(i), {static_cast<float>(i)})};
      if (!store->write(writes) || ::write(pipe_ends[1], &i, sizeof i) != sizeof i) ::_exit(1);
    }
  }
  ::close(pipe_ends[1]);
  std::uint64_t acknowledged = 0;
  while (acknowledged < 50) ASSERT_EQ(::read(pipe_ends[0], &acknowledged, sizeof acknowledged), 8);
  ::kill(child, SIGKILL);
  std::uint64_t number = 0;
  while (::read(pipe_ends[0], &number, sizeof number) == sizeof number) acknowledged = number;
  ::close(pipe_ends[0]);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  reopen();
  EXPECT_GE(store_->applied_sequence(), acknowledged);
  EXPECT_EQ(ids_in(*store_).size(), store_->applied_sequence());
}

TEST_F(RocksDatabaseTest, SyncsEveryWriteByDefault) {
  const int before = syncs();
  ASSERT_TRUE(write(*store_, {upsert(1, PointId(1), {1})}));
  ASSERT_TRUE(write(*store_, {upsert(2, PointId(2), {1})}));
  EXPECT_EQ(syncs(), before + 2);
}

TEST_F(RocksDatabaseTest, InIntervalModeTheLogIsSyncedInTheBackground) {
  options_.sync_always = false;
  options_.sync_interval = std::chrono::milliseconds(5);
  reopen();
  ASSERT_TRUE(write(*store_, {upsert(1, PointId(1), {1})}));
  const int before = syncs();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (syncs() <= before && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_GT(syncs(), before);
  reopen();
  EXPECT_THAT(ids_in(*store_), ElementsAre(PointId(1)));
}

TEST_F(RocksDatabaseTest, InIntervalModeAWriteDoesNotWaitForTheDisk) {
  options_.sync_always = false;
  options_.sync_interval = std::chrono::hours(1);
  reopen();
  const int before = syncs();
  ASSERT_TRUE(write(*store_, {upsert(1, PointId(1), {1})}));
  EXPECT_EQ(syncs(), before);
  ASSERT_TRUE(database_->put_local("a", "b"));  // local records are always synced
  EXPECT_EQ(syncs(), before + 1);
}

}  // namespace
}  // namespace vectorizer::storage
