#include "peer_memory.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "testing/temporary_directory.hpp"

namespace vectorizer::control {
namespace {

class PeerMemoryTest : public ::testing::Test {
 protected:
  std::filesystem::path file() const { return directory_.path() / "peers"; }

  const testing::TemporaryDirectory directory_;
};

TEST_F(PeerMemoryTest, KeepsTheFurthestOfEverything) {
  PeerMemory memory(file());
  EXPECT_EQ(memory.of(9), (peer::Positions{.raft_id = 9}));
  memory.take({9, 2, 100, {{1, 3, 10}, {2, 1, 1}}});
  memory.take({9, 3, 90, {{1, 2, 12}}});  // as after a restart, when it does not know yet what is committed
  memory.take({8, 1, 1, {}});
  EXPECT_EQ(memory.of(9), (peer::Positions{9, 3, 100, {{1, 3, 12}, {2, 1, 1}}}));
}

TEST_F(PeerMemoryTest, OutlivesARestartButForStrangers) {
  {
    PeerMemory memory(file());
    ASSERT_TRUE(memory.load());  // there is none yet
    memory.take({9, 2, 100, {{1, 3, 10}, {2, 1, 1}}});
    memory.take({8, 1, 1, {}});
    ASSERT_TRUE(memory.save({9}, {1}));
    EXPECT_EQ(memory.of(8), (peer::Positions{.raft_id = 8}));
  }
  PeerMemory memory(file());
  ASSERT_TRUE(memory.load());
  EXPECT_EQ(memory.of(9), (peer::Positions{9, 2, 100, {{1, 3, 10}}}));
  EXPECT_EQ(memory.of(8), (peer::Positions{.raft_id = 8}));
}

TEST_F(PeerMemoryTest, ADamagedFileIsAnErrorAndRemembersNothing) {
  for (const char* text : {"", "{", R"({"format":2,"disks":[]})", R"({"format":"1","disks":[]})", R"({"format":1})",
                           R"({"format":1,"disks":[{"raft_id":1}]})"}) {
    std::ofstream(file(), std::ios::trunc) << text;
    PeerMemory memory(file());
    EXPECT_FALSE(memory.load()) << text;
    memory.take({9, 2, 1, {}});
    EXPECT_TRUE(memory.save({9}, {}));
    EXPECT_TRUE(PeerMemory(file()).load());
  }
}

TEST(PutBack, IsADiskWhoseMetadataLogIsBehind) {
  const peer::Positions own{9, 2, 100, {{1, 3, 10}, {2, 1, 5}}};
  const auto back = [&](std::uint64_t term, std::uint64_t index, std::vector<peer::CopyPosition> copies) {
    return put_back(own, {9, term, index, std::move(copies)}).has_value();
  };
  EXPECT_FALSE(back(0, 0, {}));
  EXPECT_FALSE(back(2, 100, {{1, 3, 10}, {2, 1, 5}}));
  EXPECT_FALSE(back(1, 1, {{1, 1, 1}, {3, 9, 9}}));  // copy 3 was dropped
  EXPECT_TRUE(back(3, 100, {}));
  EXPECT_TRUE(back(2, 101, {}));
  EXPECT_FALSE(back(2, 100, {{1, 3, 11}}));  // one copy is
}

TEST(CopiesBehind, AreThoseWhoseEndIsGone) {
  using Copies = std::vector<std::uint64_t>;
  const peer::Positions own{9, 2, 100, {{1, 3, 10}, {2, 1, 5}}};
  const auto behind = [&](std::vector<peer::CopyPosition> copies) {
    return copies_behind(own, {9, 2, 100, std::move(copies)});
  };
  EXPECT_EQ(behind({}), Copies());
  EXPECT_EQ(behind({{1, 3, 10}, {2, 1, 5}, {3, 9, 9}}), Copies());  // copy 3 was dropped
  EXPECT_EQ(behind({{1, 3, 11}, {2, 1, 4}}), Copies{1});
  EXPECT_EQ(behind({{1, 4, 10}, {2, 1, 6}}), (Copies{1, 2}));
}

}  // namespace
}  // namespace vectorizer::control
