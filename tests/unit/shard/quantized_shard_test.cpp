#include <algorithm>
#include <cmath>
#include <map>

#include "forwarding_store.hpp"
#include "shard_fixture.hpp"
#include "vectorizer/index/exact_distance.hpp"
#include "vectorizer/index/vector_index.hpp"

namespace vectorizer::shard {
namespace {

constexpr std::size_t kDimension = 24;

/// A shard that keeps codes in memory and vectors in the store, beside a model that is searched by brute force.
class QuantizedShard : public ::testing::TestWithParam<Metric> {
 protected:
  void SetUp() override {
    shard_.options().graph_threshold = 200;
    shard_.options().collection.quantization = Quantization::kInt8;
  }

  void upsert_all(std::uint64_t first, std::uint64_t last) {
    std::vector<WriteOp> ops;
    for (std::uint64_t id = first; id < last; ++id) {
      model_[id] = random_vector(random_, kDimension);
      ops.push_back(upsert(id, model_[id], R"({"even":)" + std::string(id % 2 == 0 ? "true}" : "false}")));
    }
    write(shard_.shard(), ops);
  }
  void erase_all(std::uint64_t first, std::uint64_t last) {
    std::vector<WriteOp> ops;
    for (std::uint64_t id = first; id < last; ++id) {
      ops.push_back(erase(id));
      model_.erase(id);
    }
    write(shard_.shard(), ops);
  }
  void quantize(Quantization quantization) {
    shard_.options().collection.quantization = quantization;
    shard_->reconfigure(shard_.options().collection);
  }

  std::vector<std::pair<float, PointId>> nearest(const std::vector<float>& query, bool even) const {
    index::ExactDistance distance(GetParam(), query);
    std::vector<std::pair<float, PointId>> all;
    for (const auto& [id, vector] : model_) {
      if (!even || id % 2 == 0) all.emplace_back(distance(vector), PointId(id));
    }
    std::sort(all.begin(), all.end());
    all.resize(std::min<std::size_t>(all.size(), 10));
    return all;
  }

  /// Every hit has its exact score, an exact search finds exactly the nearest, any other nearly all of them.
  void expect_right_answers() {
    std::size_t found = 0, wanted = 0;
    for (int i = 0; i < 20; ++i) {
      SearchQuery query;
      query.vector = random_vector(random_, kDimension);
      if (i % 2 == 0) query.filter = filter_of(R"({"must":[{"key":"even","match":{"value":true}}]})");
      const auto truth = nearest(query.vector, i % 2 == 0);
      for (const bool exact : {false, true}) {
        query.exact = exact;
        const auto result = shard_->search(query);
        ASSERT_TRUE(result) << result.error().message;
        ASSERT_EQ(result->size(), truth.size());
        index::ExactDistance distance(GetParam(), query.vector);
        for (std::size_t j = 0; j < truth.size(); ++j) {
          const ScoredPoint& hit = (*result)[j];
          EXPECT_EQ(hit.score, index::score_of(GetParam(), distance(model_.at(hit.id.number()))));
          if (exact) {
            EXPECT_EQ(hit.id, truth[j].second);
          } else {
            found += std::count_if(truth.begin(), truth.end(), [&](const auto& t) { return t.second == hit.id; });
          }
        }
        if (!exact) wanted += truth.size();
      }
    }
    EXPECT_GE(static_cast<double>(found), 0.97 * static_cast<double>(wanted));
    const auto id = model_.begin()->first;
    EXPECT_EQ(point_of(shard_.shard(), id)->vector, model_.begin()->second);
  }

  std::mt19937 random_{11};
  ShardFixture shard_{kDimension, GetParam()};
  std::map<std::uint64_t, std::vector<float>> model_;
};

TEST_P(QuantizedShard, KeepsCodesOnlyAndAnswersInFullPrecision) {
  upsert_all(0, 150);
  expect_right_answers();  // no graph yet
  upsert_all(150, 1500);
  expect_right_answers();  // most in the tail
  shard_.settle();
  EXPECT_EQ(shard_->stats().pending, 0U);
  EXPECT_EQ(shard_->stats().vector_bytes, 0U);
  EXPECT_GT(shard_->stats().code_bytes, 0U);
  expect_right_answers();
  erase_all(0, 700);
  upsert_all(600, 800);
  expect_right_answers();  // among tombstones
  shard_.settle();
  EXPECT_EQ(shard_->stats().tombstones, 0U);
  expect_right_answers();
  ASSERT_TRUE(shard_->save());
  shard_.reopen();
  EXPECT_EQ(shard_->stats().pending, 0U);
  EXPECT_EQ(shard_->stats().vector_bytes, 0U);
  expect_right_answers();
}

TEST_P(QuantizedShard, WithoutRescoringScoresAreThoseOfTheCodes) {
  upsert_all(0, 600);
  shard_.settle();
  std::size_t different = 0;
  for (int i = 0; i < 20; ++i) {
    SearchQuery query;
    query.vector = random_vector(random_, kDimension);
    query.rescore = false;
    index::ExactDistance distance(GetParam(), query.vector);
    const auto result = shard_->search(query);
    ASSERT_TRUE(result);
    ASSERT_EQ(result->size(), 10U);
    for (const auto& hit : *result) {
      const float wanted = index::score_of(GetParam(), distance(model_.at(hit.id.number())));
      EXPECT_NEAR(hit.score, wanted, 0.02 + 0.05 * std::abs(wanted));
      different += hit.score != wanted ? 1 : 0;
    }
  }
  EXPECT_GT(different, 100U);
}

TEST_P(QuantizedShard, ChangesItsQuantizationWhileItServes) {
  upsert_all(0, 1200);
  shard_.settle();
  const auto quantized = shard_->stats();
  quantize(Quantization::kNone);
  std::uint64_t next = 1200;
  while (shard_->stats().vector_bytes == 0) {
    shard_->maintain();
    upsert_all(next, next + 3);
    erase_all(next - 1000, next - 997);
    next += 3;
    expect_right_answers();
    ASSERT_LT(next, 1500U) << "it does not come to an end";
  }
  EXPECT_EQ(shard_->stats().vector_bytes / shard_->stats().vectors / sizeof(float), kDimension);
  expect_right_answers();
  quantize(Quantization::kInt8);
  shard_.settle();
  EXPECT_EQ(shard_->stats().vector_bytes, quantized.vector_bytes);
  expect_right_answers();
  quantize(Quantization::kInt8);  // as it is
  EXPECT_FALSE(shard_->maintain());
}

TEST_P(QuantizedShard, ComesBackWhereverItWasKilledWhileItChanged) {
  upsert_all(0, 700);
  shard_.settle();
  ASSERT_TRUE(shard_->save());
  for (int slices = 0; slices < 12; ++slices) {
    const bool to_codes = slices % 2 == 1;
    quantize(to_codes ? Quantization::kInt8 : Quantization::kNone);
    for (int i = 0; i < slices; ++i) shard_->maintain();
    shard_.reopen();  // without saving
    EXPECT_EQ(shard_->stats().vector_bytes == 0, to_codes);
    EXPECT_EQ(shard_->stats().vectors, model_.size());
    expect_right_answers();
  }
}

INSTANTIATE_TEST_SUITE_P(Metrics, QuantizedShard, ::testing::Values(Metric::kEuclidean, Metric::kCosine, Metric::kDot),
                         [](const auto& test) { return std::string(metric_name(test.param)); });

/// Cannot read point 1.
class StoreWithADamagedPoint final : public ForwardingStore {
 public:
  Result<std::optional<storage::StoredPoint>> get(const PointId& id) const override {
    if (id == PointId(1)) return Error{ErrorType::kInternal, "damaged"};
    return ForwardingStore::get(id);
  }
  Result<std::vector<std::optional<storage::StoredPoint>>> get_many(std::span<const PointId> ids) const override {
    if (std::find(ids.begin(), ids.end(), PointId(1)) != ids.end()) return Error{ErrorType::kInternal, "damaged"};
    return ForwardingStore::get_many(ids);
  }
};

TEST(QuantizedShardWithDamage, AVectorThatCannotBeReadHasTheScoreOfItsCode) {
  ShardFixture shard(2);
  shard.options().collection.quantization = Quantization::kInt8;
  shard.open(std::make_unique<StoreWithADamagedPoint>());
  write(shard.shard(), {upsert(1, {1, 0}), upsert(2, {2, 0}), upsert(3, {3, 0})});
  SearchQuery query;
  query.vector = {0, 0};
  const auto found = shard->search(query);
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(ids_of(*found), (std::vector{PointId(1), PointId(2), PointId(3)}));
  EXPECT_NEAR((*found)[0].score, 1, 0.01);
  EXPECT_EQ((*found)[1].score, 2);
  query.projection.with_vector = true;
  EXPECT_FALSE(shard->search(query));
}

}  // namespace
}  // namespace vectorizer::shard
