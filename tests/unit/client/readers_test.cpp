#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "base64.hpp"
#include "import_state.hpp"
#include "npy_header.hpp"
#include "retry.hpp"
#include "url.hpp"
#include "vector_reader.hpp"
#include "watermark.hpp"

namespace vectorizer::client {
namespace {

class Files : public ::testing::Test {
 protected:
  Files() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    directory_ = std::filesystem::path(::testing::TempDir()) /
                 (std::string(test->test_suite_name()) + "." + test->name() + "." + std::to_string(::getpid()));
    std::filesystem::create_directories(directory_);
  }
  ~Files() override { std::filesystem::remove_all(directory_); }

  std::filesystem::path write(const std::string& name, const std::string& bytes) const {
    std::ofstream(directory_ / name, std::ios::binary) << bytes;
    return directory_ / name;
  }
  std::filesystem::path write_gzip(const std::string& name, const std::string& bytes) const {
    const auto path = directory_ / name;
    gzFile file = gzopen(path.c_str(), "wb");
    gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
    gzclose(file);
    return path;
  }
  std::filesystem::path directory_;
};
using VectorReaderTest = Files;
using ImportStateTest = Files;

template <typename Element>
std::string vecs_row(std::int32_t dimension, const std::vector<Element>& elements) {
  std::string row(reinterpret_cast<const char*>(&dimension), sizeof dimension);
  for (const Element& element : elements) row.append(reinterpret_cast<const char*>(&element), sizeof element);
  return row;
}

/// All vectors, or the message of the error.
struct Read {
  std::vector<std::vector<float>> vectors;
  std::string error;
};
Read read_all(const std::filesystem::path& path) {
  Read all;
  auto reader = open_vectors(path);
  if (!reader) return {{}, reader.error().message};
  Record record;
  for (;;) {
    const auto more = (*reader)->next(record);
    if (!more) {
      all.error = more.error().message;
      return all;
    }
    if (!*more) return all;
    all.vectors.push_back(record.vector);
  }
}
using Rows = std::vector<std::vector<float>>;

TEST_F(VectorReaderTest, ReadsFvecsAndBvecsPlainAndGzipped) {
  const auto floats = vecs_row<float>(2, {1, -2.5F}) + vecs_row<float>(2, {3, 4});
  const auto bytes = vecs_row<std::uint8_t>(2, {0, 255});
  EXPECT_EQ(read_all(write("a.fvecs", floats)).vectors, (Rows{{1, -2.5F}, {3, 4}}));
  EXPECT_EQ(read_all(write_gzip("a.fvecs.gz", floats)).vectors, (Rows{{1, -2.5F}, {3, 4}}));
  EXPECT_EQ(read_all(write_gzip("a.bvecs.gz", bytes)).vectors, (Rows{{0, 255}}));
}

TEST_F(VectorReaderTest, NamesTheRowThatIsCutOffOrHasABadDimension) {
  const auto good = vecs_row<float>(2, {1, 2});
  EXPECT_NE(read_all(write("a.fvecs", good + good.substr(0, 9))).error.find("row 1: truncated: 5 of 8"),
            std::string::npos);
  EXPECT_NE(read_all(write("b.fvecs", good + good.substr(0, 2))).error.find("row 1: truncated: 2 of 4"),
            std::string::npos);
  EXPECT_NE(
      read_all(write("c.fvecs", good + vecs_row<float>(1, {1}))).error.find("row 1: dimension 1, but row 0 has 2"),
      std::string::npos);
  EXPECT_NE(read_all(write("d.fvecs", vecs_row<float>(-1, {}))).error.find("dimension -1"), std::string::npos);
  EXPECT_NE(read_all(write("e.fvecs", "")).error.find("no vectors"), std::string::npos);
  EXPECT_NE(read_all(write("f.csv", "1,2")).error.find("unknown format"), std::string::npos);
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_NE(read_all(write("g.fvecs", good + vecs_row<float>(2, {0, infinity}))).error.find("row 1: element 1"),
            std::string::npos);
}

TEST_F(VectorReaderTest, RefusesAGzipStreamThatEndsEarly) {
  std::string rows;
  for (int i = 0; i < 1000; ++i) rows += vecs_row<float>(2, {static_cast<float>(i), static_cast<float>(i * i)});
  const auto path = write_gzip("a.fvecs.gz", rows);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  EXPECT_FALSE(read_all(path).error.empty());
}

TEST_F(VectorReaderTest, ReadsNpyAndChecksItsShape) {
  std::string header = "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2), }\n";
  const std::string start = std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(header.size()) + '\0' + header;
  const double values[] = {1, 2, 3, 4.5};
  const std::string body(reinterpret_cast<const char*>(values), sizeof values);
  EXPECT_EQ(read_all(write("a.npy", start + body)).vectors, (Rows{{1, 2}, {3, 4.5F}}));
  EXPECT_NE(read_all(write("b.npy", start + body.substr(0, 20))).error.find("row 1: truncated: 4 of 16"),
            std::string::npos);
  EXPECT_NE(read_all(write("c.npy", start + body + "x")).error.find("goes on after the 2 rows"), std::string::npos);
  EXPECT_NE(read_all(write("d.npy", "no numpy at all")).error.find("not a .npy file"), std::string::npos);
  EXPECT_FALSE(parse_npy_header("{'descr': '>f4', 'fortran_order': False, 'shape': (2, 2), }"));
  EXPECT_FALSE(parse_npy_header("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }"));
  EXPECT_FALSE(parse_npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }"));
}

TEST_F(VectorReaderTest, ReadsJsonLinesAndNamesTheBadOne) {
  const std::string good = R"({"id":"a","vector":[1,2.5],"payload":{"x":1}})"
                           "\n";
  EXPECT_EQ(read_all(write_gzip("a.jsonl.gz", good + R"({"vector":[3,4]})")).vectors, (Rows{{1, 2.5F}, {3, 4}}));
  EXPECT_EQ(read_all(write("bom.jsonl", "\xEF\xBB\xBF" + good)).vectors, (Rows{{1, 2.5F}}));
  EXPECT_NE(read_all(write("b.jsonl", good + "\n")).error.find("row 1: the line is empty"), std::string::npos);
  EXPECT_NE(read_all(write("c.jsonl", good + R"({"vector":[1]})")).error.find("dimension 1, but row 0 has 2"),
            std::string::npos);
  EXPECT_NE(read_all(write("d.jsonl", R"({"vectr":[1]})")).error.find("unknown key 'vectr'"), std::string::npos);
  for (const std::string_view bad : {std::string_view("\0", 1), std::string_view("{\"vector\":[1,2]\0\n}", 18),
                                     std::string_view("{\"vector\":[1,2]}\0\n", 19)}) {
    EXPECT_NE(read_all(write("z.jsonl", std::string(bad))).error.find("zero byte"), std::string::npos) << bad;
  }
  EXPECT_NE(read_all(write("e.jsonl", R"({"id":-1,"vector":[1]})")).error.find("row 0: the id"), std::string::npos);
}

TEST_F(ImportStateTest, ComesBackAsItWasSavedAndSeesAChangedFile) {
  const auto file = write("a.fvecs", "1234");
  auto state = *describe_import(file, "");
  state.collection = "c";
  state.rows = 42;
  const auto path = state_path(directory_, state);
  ASSERT_TRUE(save_state(path, state));
  const auto loaded = load_state(path);
  ASSERT_TRUE(loaded && *loaded);
  EXPECT_EQ((*loaded)->rows, 42U);
  EXPECT_EQ((*loaded)->difference(state), "");
  write("a.fvecs", "12345");
  auto changed = *describe_import(file, "");
  changed.collection = "c";
  EXPECT_EQ((*loaded)->difference(changed), "the file has changed");
}

TEST(Watermark, WaitsForTheBatchesInBetween) {
  Watermark watermark(10);
  watermark.complete(20, 10);
  EXPECT_EQ(watermark.rows(), 10U);
  watermark.complete(10, 10);
  EXPECT_EQ(watermark.rows(), 30U);
}

TEST(RetryDelay, DoublesUpToABoundAndHonoursRetryAfter) {
  using std::chrono::milliseconds;
  const RetryPolicy policy;
  EXPECT_EQ(retry_delay(policy, 0, 1, std::nullopt), milliseconds(100));
  EXPECT_EQ(retry_delay(policy, 2, 0, std::nullopt), milliseconds(200));
  EXPECT_EQ(retry_delay(policy, 60, 1, std::nullopt), milliseconds(10'000));
  EXPECT_EQ(retry_delay(policy, 0, 1, std::chrono::seconds(3)), milliseconds(3000));
  EXPECT_EQ(retry_delay(policy, 0, 1, std::chrono::seconds(9999)), milliseconds(60'000));
}

TEST(Base64, PadsAsTheContractSays) {
  std::string out;
  append_base64(out, std::vector<float>{1});
  EXPECT_EQ(out, "AACAPw==");
}

TEST(ParseUrl, TakesHostAndPortOnly) {
  EXPECT_EQ(parse_url("http://[::1]:80/")->text(), "http://[::1]:80");
  EXPECT_EQ(parse_url("http://localhost")->port, "15002");
  for (const char* bad : {"https://a", "http://", "http://a:0", "http://a:99999", "http://a/b", "a:1"}) {
    EXPECT_FALSE(parse_url(bad)) << bad;
  }
}

}  // namespace
}  // namespace vectorizer::client
