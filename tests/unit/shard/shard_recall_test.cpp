#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>

#include "shard_fixture.hpp"
#include "testing/datasets.hpp"

namespace vectorizer::shard {
namespace {

SearchQuery query_of(std::vector<float> vector, std::size_t limit) {
  SearchQuery query;
  query.vector = std::move(vector);
  query.limit = limit;
  return query;
}

/// Fashion-MNIST with `label`, as real images and with the graph in use.
class ShardRecall : public ::testing::Test {
 protected:
  static constexpr std::size_t kLabels = 10;

  void SetUp() override {
    data_ = testing::load_data_set("fashion3k");
    labels_ = testing::find_data_file("fashion3k.payload") ? read_labels() : generated_labels();
    shard_ = std::make_unique<ShardFixture>(static_cast<std::uint32_t>(data_.base.dimension));
    shard_->options().graph_threshold = 500;
    shard_->options().collection.hnsw = HnswConfig{};
    std::vector<WriteOp> ops;
    for (std::size_t i = 0; i < data_.base.rows(); ++i) {
      const auto row = data_.base.row(i);
      ops.push_back(upsert(i, {row.begin(), row.end()}, R"({"label":)" + std::to_string(labels_[i]) + "}"));
    }
    write(shard_->shard(), ops);
    shard_->settle();
    ASSERT_EQ((*shard_)->stats().pending, 0U);
    ASSERT_GT((*shard_)->stats().graph_bytes, 0U);
  }

  std::vector<int> read_labels() const {
    const std::unique_ptr<gzFile_s, decltype(&gzclose)> input(
        gzopen(testing::find_data_file("fashion3k.payload")->c_str(), "rb"), &gzclose);
    std::vector<int> labels;
    std::array<char, 4096> line;
    while (gzgets(input.get(), line.data(), line.size()) != nullptr) {
      labels.push_back(nlohmann::json::parse(line.data()).at("label").get<int>());
    }
    return labels;
  }
  std::vector<int> generated_labels() const {
    std::mt19937 random(5);
    std::vector<int> labels(data_.base.rows());
    for (int& label : labels) label = static_cast<int>(random() % kLabels);
    return labels;
  }

  std::vector<PointId> nearest_with(std::span<const float> query, const std::function<bool(int)>& wanted) const {
    std::vector<std::pair<double, std::uint64_t>> all;
    for (std::size_t i = 0; i < data_.base.rows(); ++i) {
      if (wanted(labels_[i])) all.emplace_back(testing::squared_distance(query, data_.base.row(i)), i);
    }
    std::sort(all.begin(), all.end());
    std::vector<PointId> ids;
    for (std::size_t i = 0; i < std::min<std::size_t>(10, all.size()); ++i) ids.emplace_back(all[i].second);
    return ids;
  }

  double recall(const std::optional<Filter>& filter, const std::function<bool(int)>& wanted, bool exact) const {
    std::size_t hits = 0;
    const std::size_t queries = std::min<std::size_t>(100, data_.queries.rows());
    for (std::size_t i = 0; i < queries; ++i) {
      const auto row = data_.queries.row(i);
      SearchQuery query = query_of({row.begin(), row.end()}, 10);
      query.filter = filter;
      query.exact = exact;
      const auto found = ids_of(*shard_->shard().search(query));
      EXPECT_EQ(found.size(), 10U);
      const auto truth = nearest_with(row, wanted);
      for (const auto& id : truth) hits += std::find(found.begin(), found.end(), id) != found.end() ? 1 : 0;
    }
    return static_cast<double>(hits) / static_cast<double>(10 * queries);
  }

  testing::DataSet data_;
  std::vector<int> labels_;
  std::unique_ptr<ShardFixture> shard_;
};

TEST_F(ShardRecall, FindsTheNearestOfALabelAndOfAll) {
  const auto anything = [](int) { return true; };
  const Filter three = filter_of(R"({"must":[{"key":"label","match":{"value":3}}]})");
  const Filter most = filter_of(R"({"must":[{"key":"label","range":{"gte":2}}]})");
  const double unfiltered = recall({}, anything, false);
  const double tenth = recall(
      three, [](int label) { return label == 3; }, false);
  const double eight_tenths = recall(
      most, [](int label) { return label >= 2; }, false);
  std::printf("recall@10: all %.4f, label == 3 %.4f, label >= 2 %.4f\n", unfiltered, tenth, eight_tenths);
  EXPECT_GE(unfiltered, 0.97);
  EXPECT_GE(tenth, 0.99);
  EXPECT_GE(eight_tenths, 0.99);
  EXPECT_EQ(recall({}, anything, true), 1);
  EXPECT_EQ(recall(
                three, [](int label) { return label == 3; }, true),
            1);
  const auto threes = std::count(labels_.begin(), labels_.end(), 3);
  EXPECT_EQ(*shard_->shard().count(three), static_cast<std::uint64_t>(threes));
}

}  // namespace
}  // namespace vectorizer::shard
