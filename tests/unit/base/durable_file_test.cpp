#include "vectorizer/base/durable_file.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <iterator>
#include <string>

#include "testing/temporary_directory.hpp"

namespace vectorizer {
namespace {

std::string content(const std::filesystem::path& path) {
  const auto bytes = read_small_file(path, 1000);
  return bytes ? *bytes : "error: " + bytes.error().message;
}

std::ptrdiff_t files_in(const std::filesystem::path& directory) {
  return std::distance(std::filesystem::directory_iterator(directory), {});
}

TEST(DurableFile, TheOldFileStaysUntilTheNewOneIsCommitted) {
  const testing::TemporaryDirectory directory;
  const auto path = directory.path() / "file";
  ASSERT_TRUE(replace_file(path, "old"));
  DurableFile file(path);
  ASSERT_TRUE(file.write("ne"));
  ASSERT_TRUE(file.write("w"));
  EXPECT_EQ(content(path), "old");
  ASSERT_TRUE(file.commit());
  EXPECT_EQ(content(path), "new");
  EXPECT_EQ(files_in(directory.path()), 1);
}

TEST(DurableFile, LeavesNothingWhenItIsNotCommitted) {
  const testing::TemporaryDirectory directory;
  {
    DurableFile file(directory.path() / "file");
    ASSERT_TRUE(file.write("half"));
    EXPECT_EQ(files_in(directory.path()), 1);
  }
  EXPECT_EQ(files_in(directory.path()), 0);
}

TEST(DurableFile, AnErrorNamesTheFileAndItsCause) {
  const testing::TemporaryDirectory directory;
  const auto path = directory.path() / "nowhere" / "file";
  const auto replaced = replace_file(path, "bytes");
  ASSERT_FALSE(replaced);
  EXPECT_EQ(replaced.error().message, "cannot create '" + path.string() + "': No such file or directory");
  DurableFile file(path);
  EXPECT_FALSE(file.commit());
}

TEST(DurableFile, AFullDiskIsStorageFull) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
  const testing::TemporaryDirectory directory;
  const auto path = directory.path() / "file";
  std::filesystem::create_symlink("/dev/full", path.string().append(DurableFile::kUnfinished));
  const auto replaced = replace_file(path, "bytes");
  ASSERT_FALSE(replaced);
  EXPECT_EQ(replaced.error().type, ErrorType::kStorageFull);
  EXPECT_EQ(files_in(directory.path()), 0);
}

TEST(DurableFile, ASmallFileIsReadWholeAndALargerOneRefused) {
  const testing::TemporaryDirectory directory;
  const auto path = directory.path() / "file";
  ASSERT_TRUE(replace_file(path, "12345"));
  EXPECT_EQ(read_small_file(path, 5).value(), "12345");
  EXPECT_FALSE(read_small_file(path, 4));
}

}  // namespace
}  // namespace vectorizer
