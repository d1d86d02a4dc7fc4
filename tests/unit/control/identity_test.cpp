#include "vectorizer/control/identity.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace vectorizer::control {
namespace {

using ::testing::HasSubstr;

class IdentityFileTest : public ::testing::Test {
 protected:
  IdentityFileTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "identity-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
  }
  ~IdentityFileTest() override { std::filesystem::remove_all(directory_); }

  std::filesystem::path directory_;
};

TEST_F(IdentityFileTest, IsMadeOnceAndCountsStarts) {
  Identity first, second;
  {
    auto file = IdentityFile::open(directory_, NodeId("a"), false);
    ASSERT_TRUE(file) << file.error().message;
    first = (*file)->current();
  }
  auto again = IdentityFile::open(directory_, NodeId("b"), false);
  ASSERT_TRUE(again) << again.error().message;
  second = (*again)->current();
  EXPECT_EQ(first.uuid.size(), 32U);
  EXPECT_EQ(first.boot_epoch, 1U);
  EXPECT_EQ(second.uuid, first.uuid);
  EXPECT_EQ(second.raft_id, first.raft_id);
  EXPECT_EQ(second.boot_epoch, 2U);
  EXPECT_TRUE(second.knows(first.boot_nonce));
  EXPECT_TRUE(second.knows(second.boot_nonce));
  EXPECT_FALSE(first.knows(second.boot_nonce)) << "a disk put back to the first start does not know the second";
  EXPECT_NE(second.boot_nonce, first.boot_nonce);
  EXPECT_EQ(second.node, NodeId("b"));
}

TEST_F(IdentityFileTest, KeepsWhatIsUpdated) {
  {
    auto file = IdentityFile::open(directory_, NodeId("a"), false);
    ASSERT_TRUE(file);
    ASSERT_TRUE((*file)->update([](Identity& identity) {
      identity.state = peer::IdentityState::kClaimed;
      identity.cluster_id = "c1";
      identity.claimed_by = "other";
    }));
  }
  auto file = IdentityFile::open(directory_, NodeId("a"), false);
  ASSERT_TRUE(file);
  EXPECT_EQ((*file)->current().state, peer::IdentityState::kClaimed);
  EXPECT_EQ((*file)->current().cluster_id, "c1");
  EXPECT_EQ((*file)->current().claimed_by, "other");
}

TEST_F(IdentityFileTest, ADamagedFileIsAnErrorThatSaysHowToGoOn) {
  for (const char* text :
       {R"({"format":1,"uuid":"abc"})", R"({"format":"1"})", R"({"format":[1]})", "{}", "[]", "1", ""}) {
    std::ofstream(directory_ / "identity") << text;
    auto file = IdentityFile::open(directory_, NodeId("a"), false);
    ASSERT_FALSE(file) << text;
    EXPECT_THAT(file.error().message, HasSubstr("empty its data directory")) << text;
  }
}

TEST_F(IdentityFileTest, ARaftLogWithoutIdentityAndTheReverseAreRefused) {
  EXPECT_FALSE(IdentityFile::open(directory_, NodeId("a"), true));
  EXPECT_FALSE(std::filesystem::exists(directory_ / "identity")) << "a refused start leaves nothing behind";
  {
    auto file = IdentityFile::open(directory_, NodeId("a"), false);
    ASSERT_TRUE(file);
    ASSERT_TRUE((*file)->update([](Identity& identity) { identity.state = peer::IdentityState::kMember; }));
  }
  auto lost = IdentityFile::open(directory_, NodeId("a"), false);
  ASSERT_FALSE(lost);
  EXPECT_THAT(lost.error().message, HasSubstr("Raft log is missing"));
}

}  // namespace
}  // namespace vectorizer::control
