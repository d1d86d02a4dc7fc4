#include "raft_store.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <fstream>

#include "broken_database.hpp"
#include "testing/temporary_directory.hpp"

namespace vectorizer::consensus {
namespace {

namespace fs = std::filesystem;
using testing::BrokenDatabase;
using testing::TemporaryDirectory;

constexpr raft_id kOwner = 0xabc;

/// The loop's side of a store: runs what the worker posts, when told to.
class Turns {
 public:
  RaftStore::Post post() {
    return [this](std::function<void()> task) {
      const std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(task));
      posted_.notify_all();
    };
  }
  void run_until(const std::function<bool()>& condition) {
    while (!condition()) {
      std::unique_lock lock(mutex_);
      ASSERT_TRUE(posted_.wait_for(lock, std::chrono::seconds(30), [this] { return !tasks_.empty(); }));
      const auto task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable posted_;
  std::deque<std::function<void()>> tasks_;
};

raft_entry entry(raft_term term, const std::string& data) {
  raft_entry entry{};
  entry.term = term;
  entry.type = RAFT_COMMAND;
  entry.buf = {const_cast<char*>(data.data()), data.size()};
  return entry;
}

std::string text(const raft_buffer& buffer) {
  return {static_cast<const char*>(buffer.base), buffer.len};
}

std::vector<std::string> texts(const LoadedLog& log) {
  std::vector<std::string> found;
  for (const auto& item : log.entries) found.push_back(text(item.buf));
  return found;
}

/// A configuration of one voter, and snapshots with it.
class Snapshots {
 public:
  Snapshots() {
    raft_configuration_init(&configuration_);
    raft_configuration_add(&configuration_, kOwner, "n-abc", RAFT_VOTER);
  }
  ~Snapshots() { raft_configuration_close(&configuration_); }
  Snapshots(const Snapshots&) = delete;
  Snapshots& operator=(const Snapshots&) = delete;

  const raft_configuration& configuration() const { return configuration_; }
  raft_snapshot at(raft_index index, raft_term term, std::string state) {
    state_ = std::move(state);
    buffer_ = {state_.data(), state_.size()};
    raft_snapshot snapshot{};
    snapshot.index = index;
    snapshot.term = term;
    snapshot.configuration = configuration_;
    snapshot.configuration_index = 1;
    snapshot.bufs = &buffer_;
    snapshot.n_bufs = 1;
    return snapshot;
  }

 private:
  raft_configuration configuration_{};
  std::string state_;
  raft_buffer buffer_{};
};

class RaftStoreTest : public ::testing::Test {
 protected:
  void open() {
    store_.reset();
    auto opened = RaftStore::open(directory(), kOwner);
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
    store_->start(turns_.post(), [this](const Error& error) { failures_.push_back(error); });
    auto loaded = store_->load();
    ASSERT_TRUE(loaded) << loaded.error().message;
    log_ = std::move(*loaded);
  }
  void begin() {
    open();
    ASSERT_TRUE(store_->bootstrap(snapshots_.configuration(), "first"));
    open();
  }
  void append(raft_term term, const std::vector<std::string>& data) {
    std::vector<raft_entry> entries;
    for (const auto& item : data) entries.push_back(entry(term, item));
    ++queued_;
    store_->append(entries, [this](int status) {
      ASSERT_EQ(status, 0);
      ++done_;
    });
  }
  void settle() {
    turns_.run_until([this] { return done_ == queued_; });
  }
  /// What a start says of the directory as it is.
  std::string load_error() {
    store_.reset();
    auto opened = RaftStore::open(directory(), kOwner);
    if (!opened) return opened.error().message;
    const auto loaded = (*opened)->load();
    return loaded ? "" : loaded.error().message;
  }
  void overwrite(const std::vector<RaftChange>& changes) {
    store_.reset();
    auto database = open_raft_database(directory());
    ASSERT_TRUE(database);
    ASSERT_TRUE((*database)->write(changes));
  }
  fs::path directory() const { return temporary_.path() / "store"; }

  TemporaryDirectory temporary_;
  Turns turns_;
  Snapshots snapshots_;
  std::vector<Error> failures_;
  int queued_ = 0, done_ = 0;
  std::unique_ptr<RaftStore> store_;
  LoadedLog log_;
};

TEST_F(RaftStoreTest, AnEmptyDirectoryHoldsNothing) {
  open();
  EXPECT_TRUE(*store_->empty());
  EXPECT_EQ(log_.state.term, 0U);
  EXPECT_EQ(log_.state.vote, 0U);
  EXPECT_EQ(log_.snapshot, nullptr);
  EXPECT_EQ(log_.first, 1U);
  EXPECT_TRUE(log_.entries.empty());
}

TEST_F(RaftStoreTest, AClusterBeginsWithASnapshotOfItsFirstState) {
  begin();
  EXPECT_FALSE(*store_->empty());
  EXPECT_EQ(log_.state.term, 1U);
  ASSERT_NE(log_.snapshot, nullptr);
  EXPECT_GT(log_.snapshot->index, 1U) << "libraft would not send a snapshot that ends at 1";
  EXPECT_EQ(log_.first, log_.snapshot->index + 1);
  ASSERT_EQ(log_.snapshot->configuration.n, 1U);
  EXPECT_EQ(log_.snapshot->configuration.servers[0].id, kOwner);
  EXPECT_EQ(log_.snapshot->configuration.servers[0].role, RAFT_VOTER);
  EXPECT_EQ(*unpack_state(text(log_.snapshot->bufs[0])), "first");
  const auto again = store_->bootstrap(snapshots_.configuration(), "second");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().type, ErrorType::kConflict);
}

TEST_F(RaftStoreTest, AMemberThatHasVotedCannotBeginACluster) {
  open();
  ASSERT_TRUE(store_->set_term(3));
  EXPECT_FALSE(store_->bootstrap(snapshots_.configuration(), "first"));
}

TEST_F(RaftStoreTest, ANewTermForgetsTheVoteOfTheOldOne) {
  open();
  ASSERT_TRUE(store_->set_term(4));
  ASSERT_TRUE(store_->set_vote(9));
  open();
  EXPECT_EQ(log_.state.term, 4U);
  EXPECT_EQ(log_.state.vote, 9U);
  ASSERT_TRUE(store_->set_term(5));
  open();
  EXPECT_EQ(log_.state.term, 5U);
  EXPECT_EQ(log_.state.vote, 0U);
}

TEST_F(RaftStoreTest, AppendsAreReportedInOrderAndThenFound) {
  begin();
  std::vector<int> order;
  for (int i = 0; i < 500; ++i) {
    const auto data = "entry " + std::to_string(i);
    const auto item = entry(1, data);
    store_->append({&item, 1}, [&order, i](int status) {
      EXPECT_EQ(status, 0);
      order.push_back(i);
    });
  }
  turns_.run_until([&] { return order.size() == 500; });
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  open();
  ASSERT_EQ(log_.entries.size(), 500U);
  EXPECT_EQ(log_.first, log_.snapshot->index + 1);
  EXPECT_EQ(text(log_.entries[499].buf), "entry 499");
  EXPECT_EQ(log_.entries[0].type, RAFT_COMMAND);
  EXPECT_EQ(log_.entries[0].batch, log_.entries[0].buf.base) << "each entry is freed by itself";
}

TEST_F(RaftStoreTest, ATruncatedTailIsReplaced) {
  begin();
  append(1, {"a", "b", "c", "d"});
  store_->truncate(5);  // entries 3 and 4 stay
  append(1, {"e"});
  store_->truncate(6);  // nothing there
  settle();
  open();
  EXPECT_EQ(texts(log_), (std::vector<std::string>{"a", "b", "e"}));
}

TEST_F(RaftStoreTest, ASnapshotKeepsTheTailThatIsAskedFor) {
  begin();
  append(1, {"3", "4", "5", "6", "7", "8"});
  ++queued_;
  store_->put_snapshot(snapshots_.at(7, 1, "at seven"), 2, [this](int) { ++done_; });
  append(1, {"9"});
  settle();
  open();
  EXPECT_EQ(log_.snapshot->index, 7U);
  EXPECT_EQ(text(log_.snapshot->bufs[0]), "at seven");
  EXPECT_EQ(log_.first, 6U);
  EXPECT_EQ(texts(log_), (std::vector<std::string>{"6", "7", "8", "9"}));
}

TEST_F(RaftStoreTest, AnInstalledSnapshotReplacesTheWholeLog) {
  begin();
  append(1, {"3", "4"});
  ASSERT_TRUE(store_->set_term(6));
  ++queued_;
  store_->put_snapshot(snapshots_.at(50, 6, "installed"), 0, [this](int) { ++done_; });
  append(6, {"51"});
  settle();
  open();
  EXPECT_EQ(log_.snapshot->index, 50U);
  EXPECT_EQ(log_.first, 51U);
  EXPECT_EQ(texts(log_), (std::vector<std::string>{"51"}));
  EXPECT_EQ(text((*store_->snapshot())->bufs[0]), "installed");
}

TEST_F(RaftStoreTest, AfterACrashAPrefixIsFoundWithAllThatWasReported) {
  begin();
  const auto wal = [&] {
    fs::path newest;
    for (const auto& file : fs::directory_iterator(directory())) {
      if (file.path().extension() == ".log" && file.path() > newest) newest = file.path();
    }
    return newest;
  }();
  std::vector<std::uintmax_t> sizes{fs::file_size(wal)};  // once the first n appends were reported
  for (int i = 0; i < 6; ++i) {
    append(1, {std::string(300, static_cast<char>('a' + i)), std::string(40, static_cast<char>('a' + i))});
    settle();
    sizes.push_back(fs::file_size(wal));
  }
  store_->abandon();
  const auto crashed = temporary_.path() / "crashed";
  for (std::size_t reported = 0; reported < 6; ++reported) {
    for (auto size = sizes[reported]; size < sizes[reported + 1]; size += 37) {
      fs::remove_all(crashed);
      fs::copy(directory(), crashed);
      fs::resize_file(crashed / wal.filename(), size);
      auto opened = RaftStore::open(crashed, kOwner);
      ASSERT_TRUE(opened) << opened.error().message;
      const auto found = (*opened)->load();
      ASSERT_TRUE(found) << found.error().message;
      ASSERT_EQ(found->entries.size(), 2 * reported) << "an append is there as a whole or not at all";
      ASSERT_NE(found->snapshot, nullptr);
    }
  }
}

TEST_F(RaftStoreTest, AnAbandonedStoreWritesNothingMore) {
  begin();
  append(1, {"a"});
  settle();
  store_->abandon();
  const std::string data = "b";
  const auto item = entry(1, data);
  std::vector<int> outcomes;
  store_->append({&item, 1}, [&](int status) { outcomes.push_back(status); });
  EXPECT_FALSE(store_->set_term(8));
  bool drained = false;
  store_->drain([&] { drained = true; });
  turns_.run_until([&] { return drained; });
  EXPECT_EQ(outcomes, std::vector<int>{RAFT_CANCELED});
  open();
  EXPECT_EQ(texts(log_), std::vector<std::string>{"a"});
  EXPECT_EQ(log_.state.term, 1U);
}

TEST_F(RaftStoreTest, AFailedWriteStopsItForGood) {
  begin();
  store_.reset();
  std::atomic<bool> broken{false};
  auto database = open_raft_database(directory());
  ASSERT_TRUE(database);
  auto opened = RaftStore::over(std::make_unique<BrokenDatabase>(std::move(*database), broken), kOwner);
  ASSERT_TRUE(opened);
  store_ = std::move(*opened);
  store_->start(turns_.post(), [this](const Error& error) { failures_.push_back(error); });
  ASSERT_TRUE(store_->load());
  broken = true;
  const std::string data = "b";
  const auto item = entry(1, data);
  std::vector<int> outcomes;
  store_->append({&item, 1}, [&](int status) { outcomes.push_back(status); });
  turns_.run_until([&] { return !failures_.empty(); });
  EXPECT_TRUE(outcomes.empty()) << "libraft takes a cancelled write only while it is closed";
  ASSERT_TRUE(store_->failure());
  EXPECT_NE(store_->failure()->message.find("input/output error"), std::string::npos);

  broken = false;  // a disk that works again does not make up for the hole
  store_->append({&item, 1}, [&](int status) { outcomes.push_back(status); });
  EXPECT_FALSE(store_->set_vote(1));
  bool drained = false;
  store_->drain([&] { drained = true; });
  turns_.run_until([&] { return drained; });
  EXPECT_EQ(outcomes, (std::vector<int>{RAFT_CANCELED, RAFT_CANCELED}));
  EXPECT_EQ(failures_.size(), 1U);
  open();
  EXPECT_TRUE(log_.entries.empty());
}

TEST_F(RaftStoreTest, AGapInTheLogIsDamage) {
  begin();
  append(1, {"3", "4", "5"});
  settle();
  overwrite({{entry_key(4), std::nullopt}});
  EXPECT_NE(load_error().find("entry 4 of the log is missing"), std::string::npos) << load_error();
  overwrite({{entry_key(3), std::nullopt}});
  EXPECT_NE(load_error().find("the log begins at 5, the snapshot ends at 2"), std::string::npos) << load_error();
}

TEST_F(RaftStoreTest, RecordsThatMakeNoSenseAreDamage) {
  begin();
  append(1, {"3"});
  settle();
  const std::vector<std::pair<std::vector<RaftChange>, std::string>> cases{
      {{{entry_key(3), "short"}}, "an entry of the log is too short"},
      {{{entry_key(3), std::string(9, '\0')}}, "has term 0 and type 0"},
      {{{entry_key(3), encode_entry(entry(7, "x"))}}, "the log ends in term 7, the recorded term is 1"},
      {{{std::string(kRaftEntryPrefix) + "x", "y"}}, "a key of the log is malformed"},
      {{{kRaftStateKey, "short"}}, "term and vote has the wrong length"},
      {{{kRaftSnapshotKey, "short"}}, "snapshot"},
      {{{kRaftSnapshotKey, encode_snapshot(snapshots_.at(9, 1, ""))}}, "the log ends at 3, before its snapshot at 9"},
      {{{kRaftFormatKey, encode_format(kOwner + 1)}}, "belongs to the member n-abd, this node is n-abc"},
      {{{kRaftFormatKey, std::nullopt}}, "not whose it is"},
  };
  store_.reset();
  const auto intact = temporary_.path() / "intact";
  fs::rename(directory(), intact);
  for (const auto& [changes, expected] : cases) {
    fs::remove_all(directory());
    fs::copy(intact, directory());
    ASSERT_EQ(load_error(), "");
    ASSERT_NO_FATAL_FAILURE(overwrite(changes));
    EXPECT_NE(load_error().find(expected), std::string::npos) << expected << " / " << load_error();
  }
}

TEST_F(RaftStoreTest, DamagedFilesAreAnErrorAndNotAnEmptyStore) {
  begin();
  append(1, {"3"});
  settle();
  store_.reset();
  for (const auto& file : fs::directory_iterator(directory())) {
    if (file.path().filename().string().starts_with("MANIFEST")) std::ofstream(file.path()) << "garbage";
  }
  EXPECT_NE(load_error().find("cannot open the Raft store"), std::string::npos) << load_error();
}

TEST(RaftRecords, EncodedSnapshotsCutAnywhereAreRefused) {
  Snapshots snapshots;
  const auto whole = encode_snapshot(snapshots.at(5, 2, ""));
  ASSERT_TRUE(decode_snapshot(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(decode_snapshot(std::string_view(whole).substr(0, size))) << size;
  }
}

TEST(RaftRecords, KeysSortAsIndexes) {
  EXPECT_LT(entry_key(255), entry_key(256));
  EXPECT_LT(entry_key(1), entry_key(1ULL << 63));
  EXPECT_EQ(index_of_key(entry_key(0x0102030405060708)), 0x0102030405060708U);
  EXPECT_EQ(index_of_key("L"), std::nullopt);
  EXPECT_EQ(index_of_key("M12345678"), std::nullopt);
}

TEST(RaftRecords, AStateIsPaddedToWords) {
  for (const std::string state : {"", "1", "1234567", "12345678", "123456789"}) {
    const auto packed = pack_state(state);
    EXPECT_EQ(packed.size() % 8, 0U);
    EXPECT_EQ(*unpack_state(packed), state);
    EXPECT_FALSE(unpack_state(std::string_view(packed).substr(0, 7)));
  }
}

}  // namespace
}  // namespace vectorizer::consensus
