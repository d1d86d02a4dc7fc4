#include "vectorizer/index/vector_index.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <vector>

#include "support.hpp"
#include "vectorizer/index/exact_distance.hpp"

namespace vectorizer::index {
namespace {

using testing::DataSet;
using Vector = std::vector<float>;

struct Case {
  const char* data_set;
  Metric metric;
};

std::string case_name(const ::testing::TestParamInfo<Case>& test) {
  return std::string(test.param.data_set) + (test.param.metric == Metric::kCosine ? "Cosine" : "Euclidean");
}

class VectorIndexOnRealData : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override { index_ = filled(options_for(set_.base.dimension, GetParam().metric)); }

  std::unique_ptr<VectorIndex> filled(const IndexOptions& options) const {
    auto index = make_vector_index(options);
    add_rows(*index, set_.base);
    return index;
  }

  const DataSet set_ = testing::load_data_set(GetParam().data_set);
  std::unique_ptr<VectorIndex> index_;
};

TEST_P(VectorIndexOnRealData, GraphFindsTheNearest) {
  index_all(*index_);
  ASSERT_EQ(index_->stats().indexed, set_.base.rows());
  SearchParams params;
  EXPECT_GE(recall(*index_, set_, GetParam().metric, params), 0.95);
  params.ef = 200;
  EXPECT_GE(recall(*index_, set_, GetParam().metric, params), 0.99);
}

TEST_P(VectorIndexOnRealData, TailAloneAndHalfATailFindTheNearest) {
  EXPECT_GE(recall(*index_, set_, GetParam().metric, {}), 0.995);  // no graph yet: every code is compared
  EXPECT_EQ(index_->stats().pending, set_.base.rows());
  index_->index_pending(set_.base.rows() / 2);
  EXPECT_EQ(index_->stats().pending, set_.base.rows() - set_.base.rows() / 2);
  EXPECT_GE(recall(*index_, set_, GetParam().metric, {}), 0.95);
}

TEST_P(VectorIndexOnRealData, ExactSearchAgreesWithTheGroundTruth) {
  const auto& truth = GetParam().metric == Metric::kEuclidean ? set_.truth_euclidean : set_.truth_cosine;
  SearchParams params;
  params.limit = 100;
  params.exact = true;
  for (std::size_t i = 0; i < set_.queries.rows(); ++i) {
    const auto query = set_.queries.row(i);
    const auto found = index_->search(query, params);
    ASSERT_EQ(found.size(), 100U);
    for (std::size_t j = 0; j < found.size(); ++j) {
      // Rows whose distances differ by less than a float can say may change places.
      const double wanted = true_distance(GetParam().metric, query, set_.base.row(static_cast<Slot>(truth.row(i)[j])));
      const double scale = GetParam().metric == Metric::kEuclidean ? wanted : 1;
      ASSERT_NEAR(found[j].distance, wanted, 1e-5 * scale + 1e-6);
      ASSERT_NEAR(true_distance(GetParam().metric, query, set_.base.row(found[j].slot)), wanted, 1e-5 * scale + 1e-6);
    }
  }
}

TEST_P(VectorIndexOnRealData, BelowTheThresholdEverySearchIsExact) {
  auto options = options_for(set_.base.dimension, GetParam().metric, 1'000'000);
  const auto small = filled(options);
  EXPECT_EQ(small->index_pending(1000), 0U);
  EXPECT_EQ(small->stats().pending, 0U);
  EXPECT_EQ(small->stats().indexed, set_.base.rows());
  SearchParams exact;
  exact.exact = true;
  for (std::size_t i = 0; i < 20; ++i) {
    const auto query = set_.queries.row(i);
    EXPECT_EQ(slots_of(small->search(query, {})), slots_of(index_->search(query, exact)));
  }
}

TEST_P(VectorIndexOnRealData, RemovedSlotsAreNeverReturnedAndTheOthersStillFound) {
  index_all(*index_);
  std::vector<bool> gone(set_.base.rows());
  for (std::size_t i = 0; i < set_.queries.rows(); ++i) {  // the three nearest of every query
    for (std::size_t j = 0; j < 3; ++j) {
      const auto& truth = GetParam().metric == Metric::kEuclidean ? set_.truth_euclidean : set_.truth_cosine;
      const auto slot = static_cast<Slot>(truth.row(i)[j]);
      index_->remove(slot);
      EXPECT_TRUE(index_->removed(slot));
      gone[slot] = true;
    }
  }
  EXPECT_EQ(index_->stats().tombstones, static_cast<std::size_t>(std::count(gone.begin(), gone.end(), true)));
  std::size_t hits = 0;
  SearchParams exact;
  exact.exact = true;
  for (std::size_t i = 0; i < set_.queries.rows(); ++i) {
    const auto found = slots_of(index_->search(set_.queries.row(i), {}));
    const auto wanted = slots_of(index_->search(set_.queries.row(i), exact));
    ASSERT_EQ(found.size(), 10U);
    for (const Slot slot : found) {
      ASSERT_FALSE(gone[slot]);
      hits += static_cast<std::size_t>(std::count(wanted.begin(), wanted.end(), slot));
    }
  }
  EXPECT_GE(static_cast<double>(hits), 0.95 * 10 * static_cast<double>(set_.queries.rows()));
}

TEST_P(VectorIndexOnRealData, FiltersReturnOnlyMatchesAndNeverFewerThanExist) {
  index_all(*index_);
  const std::size_t rows = set_.base.rows();
  for (const std::size_t every : {2U, 3U, 7U, 50U, 400U}) {
    SlotBitmap filter;
    filter.words.resize((rows + 63) / 64);
    for (std::size_t slot = 0; slot < rows; slot += every) {
      filter.words[slot / 64] |= std::uint64_t{1} << (slot % 64);
      ++filter.count;
    }
    for (const std::size_t ef : {10U, 64U}) {  // a small ef walks, a large one scans
      SearchParams params;
      params.ef = ef;
      params.filter = &filter;
      SearchParams exact = params;
      exact.exact = true;
      std::size_t hits = 0;
      std::size_t total = 0;
      for (std::size_t i = 0; i < 50; ++i) {
        const auto found = slots_of(index_->search(set_.queries.row(i), params));
        const auto wanted = slots_of(index_->search(set_.queries.row(i), exact));
        ASSERT_EQ(found.size(), std::min<std::size_t>(10, filter.count)) << "every " << every;
        total += wanted.size();
        for (const Slot slot : found) {
          ASSERT_TRUE(filter.contains(slot));
          hits += static_cast<std::size_t>(std::count(wanted.begin(), wanted.end(), slot));
        }
      }
      EXPECT_GE(static_cast<double>(hits), (ef == 10 ? 0.7 : 0.95) * static_cast<double>(total)) << "every " << every;
    }
  }
}

TEST_P(VectorIndexOnRealData, SearchSlotsComparesExactlyTheGivenOnes) {
  index_all(*index_);
  std::vector<Slot> slots;
  for (Slot slot = 5; slot < 600; slot += 3) slots.push_back(slot);
  index_->remove(slots[10]);
  slots.push_back(1'000'000);  // never given out
  for (std::size_t i = 0; i < 20; ++i) {
    const auto query = set_.queries.row(i);
    SearchParams exact;
    exact.exact = true;
    const auto wanted = index_->search_slots(query, exact, slots);
    ASSERT_EQ(wanted.size(), 10U);
    for (const Neighbor& neighbor : wanted) {
      EXPECT_EQ((neighbor.slot - 5) % 3, 0U);
      EXPECT_NE(neighbor.slot, slots[10]);
    }
    EXPECT_EQ(slots_of(index_->search_slots(query, {}, slots)), slots_of(wanted));
  }
}

TEST_P(VectorIndexOnRealData, MappedVectorsGiveTheSameAnswersQuantizedOrNot) {
  const TemporaryDirectory directory;
  index_all(*index_);
  for (const Quantization quantization : {Quantization::kNone, Quantization::kInt8}) {
    auto options = options_for(set_.base.dimension, GetParam().metric);
    options.directory = directory.path();
    options.storage = VectorStorage::kMmap;
    options.quantization = quantization;
    const auto mapped = filled(options);
    index_all(*mapped);
    EXPECT_TRUE(mapped->keeps_vectors());
    EXPECT_TRUE(std::filesystem::is_empty(directory.path())) << "the file of vectors should have no name";
    for (std::size_t i = 0; i < 20; ++i) {
      const auto found = mapped->search(set_.queries.row(i), {});
      const auto wanted = index_->search(set_.queries.row(i), {});
      ASSERT_EQ(slots_of(found), slots_of(wanted));
      EXPECT_EQ(found[0].distance, wanted[0].distance);
    }
  }
}

TEST_P(VectorIndexOnRealData, QuantizedInMemoryAreCodesOnlyAndTheCallerRescores) {
  auto options = options_for(set_.base.dimension, GetParam().metric);
  options.quantization = Quantization::kInt8;
  const auto quantized = filled(options);
  index_all(*quantized);
  index_all(*index_);
  EXPECT_FALSE(quantized->keeps_vectors());
  EXPECT_EQ(quantized->stats().vector_bytes, 0U);
  EXPECT_EQ(quantized->stats().code_bytes, index_->stats().code_bytes);
  SearchParams params;
  params.limit = 32;  // what an index that keeps its vectors compares again for ten
  for (std::size_t i = 0; i < 20; ++i) {
    auto found = quantized->search(set_.queries.row(i), params);
    ExactDistance exact(GetParam().metric, set_.queries.row(i));
    for (Neighbor& neighbor : found) neighbor.distance = exact(set_.base.row(neighbor.slot));
    std::sort(found.begin(), found.end(), [](const Neighbor& a, const Neighbor& b) {
      return std::pair(a.distance, a.slot) < std::pair(b.distance, b.slot);
    });
    found.resize(10);
    const auto wanted = index_->search(set_.queries.row(i), {});
    ASSERT_EQ(slots_of(found), slots_of(wanted));
    for (std::size_t j = 0; j < 10; ++j) EXPECT_EQ(found[j].distance, wanted[j].distance);
  }
}

TEST_P(VectorIndexOnRealData, WithoutRescoringDistancesAreThoseOfTheCodes) {
  index_all(*index_);
  SearchParams params;
  params.rescore = false;
  EXPECT_GE(recall(*index_, set_, GetParam().metric, params), 0.90);
  bool differs = false;
  for (std::size_t i = 0; i < 20; ++i) {
    for (const Neighbor& neighbor : index_->search(set_.queries.row(i), params)) {
      const double wanted = true_distance(GetParam().metric, set_.queries.row(i), set_.base.row(neighbor.slot));
      EXPECT_NEAR(neighbor.distance, wanted, 0.05 * wanted + 0.02);
      differs = differs || std::abs(neighbor.distance - wanted) > 1e-5 * wanted;
    }
  }
  EXPECT_TRUE(differs);
}

INSTANTIATE_TEST_SUITE_P(DataSets, VectorIndexOnRealData,
                         ::testing::Values(Case{"fashion3k", Metric::kEuclidean}, Case{"fashion3k", Metric::kCosine},
                                           Case{"emoji2vec", Metric::kEuclidean}, Case{"emoji2vec", Metric::kCosine}),
                         case_name);

TEST(VectorIndex, DotProductRanksByInnerProduct) {
  const auto base = testing::generated_vectors(3000, 40, 1);
  const auto queries = testing::generated_vectors(50, 40, 2);
  const auto index = make_vector_index(options_for(40, Metric::kDot));
  add_rows(*index, base);
  index_all(*index);
  SearchParams params;
  params.ef = 200;
  std::size_t hits = 0;
  for (std::size_t i = 0; i < queries.rows(); ++i) {
    const auto wanted = testing::nearest_rows(base, queries.row(i), 10,
                                              [](auto query, auto row) { return -testing::inner_product(query, row); });
    for (const Neighbor& neighbor : index->search(queries.row(i), params)) {
      EXPECT_NEAR(neighbor.distance, -testing::inner_product(queries.row(i), base.row(neighbor.slot)), 1e-3);
      hits +=
          static_cast<std::size_t>(std::count(wanted.begin(), wanted.end(), static_cast<std::int32_t>(neighbor.slot)));
    }
  }
  EXPECT_GE(hits, 475U);
}

TEST(VectorIndex, EmptyIndexAndLimitZeroGiveNothing) {
  const auto index = make_vector_index(options_for(4, Metric::kEuclidean));
  const Vector query{1, 2, 3, 4};
  EXPECT_TRUE(index->search(query, {}).empty());
  EXPECT_EQ(index->index_pending(10), 0U);
  EXPECT_TRUE(index->removed(0));
  index->add(query);
  SearchParams params;
  params.limit = 0;
  EXPECT_TRUE(index->search(query, params).empty());
}

TEST(VectorIndex, ZeroVectorsAreAtCosineDistanceOneFromEverything) {
  for (const std::uint32_t threshold : {0U, 100U}) {
    const auto index = make_vector_index(options_for(3, Metric::kCosine, threshold));
    index->add(Vector{0, 0, 0});
    index->add(Vector{0, 5, 0});
    index_all(*index);
    const auto found = index->search(Vector{0, 1, 0}, {});
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0].slot, 1U);
    EXPECT_NEAR(found[0].distance, 0, 1e-6);
    EXPECT_EQ(found[1].distance, 1.0F);
    for (const Neighbor& neighbor : index->search(Vector{0, 0, 0}, {})) EXPECT_EQ(neighbor.distance, 1.0F);
  }
}

TEST(VectorIndex, EqualDistancesComeInSlotOrder) {
  const auto index = make_vector_index(options_for(2, Metric::kEuclidean, 1000));
  for (int i = 0; i < 20; ++i) index->add(Vector{1, 1});
  SearchParams params;
  params.limit = 5;
  EXPECT_EQ(slots_of(index->search(Vector{0, 0}, params)), (std::vector<Slot>{0, 1, 2, 3, 4}));
}

TEST(VectorIndex, ManyDuplicatesDoNotHideTheRest) {
  const auto rows = testing::generated_vectors(2000, 8, 5);
  for (const bool zero : {false, true}) {
    const Vector same = zero ? Vector(8, 0.0F) : Vector(rows.row(0).begin(), rows.row(0).end());
    const auto index = make_vector_index(options_for(8, Metric::kEuclidean));
    for (std::size_t i = 0; i < rows.rows(); ++i) index->add(i % 4 == 0 ? std::span<const float>(same) : rows.row(i));
    index_all(*index);
    std::size_t found_itself = 0;
    for (std::size_t i = 0; i < rows.rows(); ++i) {
      if (i % 4 != 0 && index->search(rows.row(i), {}).at(0).slot == i) ++found_itself;
    }
    EXPECT_GE(found_itself, 1490U) << "of 1500";
    for (const Neighbor& neighbor : index->search(same, {})) EXPECT_EQ(neighbor.distance, 0.0F);
  }
}

TEST(VectorIndex, MoreDuplicatesThanCandidatesLeaveTheLimitFilled) {
  for (const Metric metric : {Metric::kEuclidean, Metric::kCosine}) {
    const auto rows = testing::generated_vectors(20, 8, 9);
    const Vector same(8, 1.0F);
    const auto index = make_vector_index(options_for(8, metric));
    for (std::size_t i = 0; i < 520; ++i) index->add(i % 26 == 7 ? rows.row(i / 26) : std::span<const float>(same));
    index_all(*index);
    ASSERT_EQ(index->stats().indexed, 520U);
    SearchParams params;
    params.limit = 50;
    for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(index->search(rows.row(i), params).size(), 50U);
    EXPECT_EQ(index->search(same, params).size(), 50U);
  }
}

TEST(VectorIndex, NearerVectorsBeyondThousandsOfEqualOnesAreFound) {
  constexpr std::size_t kEqual = 1200;
  const auto rows = testing::generated_vectors(10, 8, 9);
  const Vector same(8, 1.0F);
  for (const Metric metric : {Metric::kEuclidean, Metric::kCosine, Metric::kDot}) {
    const auto index = make_vector_index(options_for(8, metric));
    for (std::size_t i = 0; i < kEqual; ++i) index->add(same);
    for (std::size_t i = 0; i < rows.rows(); ++i) index->add(rows.row(i));
    index_all(*index);
    SearchParams exact;
    exact.exact = true;
    for (std::size_t i = 0; i < rows.rows(); ++i) {
      EXPECT_EQ(slots_of(index->search(rows.row(i), {})), slots_of(index->search(rows.row(i), exact)))
          << "row " << i << " of metric " << static_cast<int>(metric);
    }
  }
}

TEST(VectorIndex, SlotsRemovedBeforeTheyAreIndexedTakeNoPartInTheGraph) {
  const auto rows = testing::generated_vectors(300, 16, 6);
  const auto index = make_vector_index(options_for(16, Metric::kEuclidean));
  add_rows(*index, rows);
  for (Slot slot = 0; slot < 300; slot += 2) index->remove(slot);  // also the first, which hnswlib would enter by
  index_all(*index);
  EXPECT_EQ(index->stats().indexed, 300U);
  EXPECT_EQ(index->stats().live, 150U);
  for (Slot slot = 0; slot < 300; ++slot) {
    const auto found = index->search(rows.row(slot), {});
    ASSERT_EQ(found.size(), 10U);
    EXPECT_EQ(found[0].slot == slot, slot % 2 == 1);
  }
}

TEST(VectorIndex, WhenAllAreRemovedNothingIsFound) {
  const auto rows = testing::generated_vectors(100, 16, 6);
  const auto index = make_vector_index(options_for(16, Metric::kCosine));
  add_rows(*index, rows);
  index_all(*index);
  for (Slot slot = 0; slot < 100; ++slot) index->remove(slot);
  index->remove(7);  // twice is once
  EXPECT_EQ(index->stats().live, 0U);
  EXPECT_TRUE(index->search(rows.row(0), {}).empty());
  index->add(rows.row(3));
  EXPECT_EQ(slots_of(index->search(rows.row(0), {})), (std::vector<Slot>{100}));
}

TEST(VectorIndex, AQueryAmidManyRemovedOnesFindsWhatIsLeft) {
  const auto rows = testing::generated_vectors(9400, 8, 6);
  IndexOptions options = options_for(8, Metric::kEuclidean);
  options.m = 8;
  options.ef_construction = 40;
  const auto index = make_vector_index(options);
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    Vector vector(rows.row(i).begin(), rows.row(i).end());
    if (i >= 9200) vector[0] += 100;  // far from all the others
    index->add(vector);
  }
  index_all(*index);
  for (Slot slot = 0; slot < 9200; ++slot) index->remove(slot);
  SearchParams exactly;
  exactly.exact = true;

  const auto found = index->search(rows.row(0), {});

  ASSERT_EQ(found.size(), 10U);
  EXPECT_EQ(found[0].slot, index->search(rows.row(0), exactly)[0].slot);
}

TEST(VectorIndex, LimitAboveEfGivesAsManyAsAsked) {
  const auto rows = testing::generated_vectors(1000, 16, 6);
  const auto index = make_vector_index(options_for(16, Metric::kEuclidean));
  add_rows(*index, rows);
  index_all(*index);
  SearchParams params;
  params.ef = 1;
  params.limit = 700;
  EXPECT_EQ(index->search(rows.row(0), params).size(), 700U);
  params.limit = 100'000;
  EXPECT_EQ(index->search(rows.row(0), params).size(), 1000U);
}

TEST(Scores, AreTheClientsFormOfDistancesAndInvert) {
  EXPECT_FLOAT_EQ(score_of(Metric::kEuclidean, 25), 5);
  EXPECT_FLOAT_EQ(score_of(Metric::kCosine, 0.25F), 0.75F);
  EXPECT_FLOAT_EQ(score_of(Metric::kDot, -3), 3);
  for (const Metric metric : {Metric::kCosine, Metric::kEuclidean, Metric::kDot}) {
    for (const float distance : {0.0F, 0.3F, 1.7F}) {
      EXPECT_NEAR(distance_of(metric, score_of(metric, distance)), distance, 1e-6);
    }
  }
  EXPECT_LT(distance_of(Metric::kEuclidean, -1), 0);
}

}  // namespace
}  // namespace vectorizer::index
