#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include "shard_fixture.hpp"

namespace vectorizer::shard {
namespace {

constexpr std::size_t kDimension = 6;

/// A shard beside the simplest thing that could be right: a map. Random operations go to both, and now and then
/// everything that can be asked is compared.
class ShardModel : public ::testing::TestWithParam<bool> {
 protected:
  struct Known {
    std::vector<float> vector;
    nlohmann::json payload;  // null for none
  };

  PointId random_id() {
    const std::uint64_t number = random_() % 700;
    return number % 5 == 0 ? PointId("p" + std::to_string(number)) : PointId(number);
  }
  nlohmann::json random_payload() {
    nlohmann::json payload{{"group", random_() % 7}, {"rank", static_cast<int>(random_() % 1000) - 500}};
    if (random_() % 4 == 0) payload["tags"] = {"a", "t" + std::to_string(random_() % 5)};
    if (random_() % 10 == 0) payload["long"] = std::string(1500, 'x');
    return payload;
  }

  void write_some() {
    std::vector<WriteOp> ops;
    std::vector<WriteOutcome> expected;
    for (std::size_t count = 1 + random_() % 20; count > 0; --count) {
      WriteOp op;
      op.id = random_id();
      const auto known = model_.find(op.id);
      const bool present = known != model_.end();
      switch (random_() % 6) {
        case 0:
          op.kind = WriteOp::Kind::kDelete;
          model_.erase(op.id);
          break;
        case 1: {
          op.kind = WriteOp::Kind::kPatch;
          if (random_() % 2 == 0) op.vector = random_vector(random_, kDimension);
          const nlohmann::json change{{"rank", random_() % 3 == 0 ? nlohmann::json() : nlohmann::json(random_() % 9)}};
          op.payload = change.dump();
          if (!present) break;
          if (!op.vector.empty()) known->second.vector = op.vector;
          known->second.payload.merge_patch(change);
          break;
        }
        case 2:
          op.kind = WriteOp::Kind::kPayload;
          op.mode = PayloadMode::kReplace;
          op.payload = random_payload().dump();
          if (present) known->second.payload = nlohmann::json::parse(op.payload);
          break;
        default:
          op.vector = random_vector(random_, kDimension);
          if (random_() % 5 != 0) op.payload = random_payload().dump();
          model_[op.id] = {op.vector, op.payload.empty() ? nlohmann::json() : nlohmann::json::parse(op.payload)};
          break;
      }
      const bool applies = op.kind == WriteOp::Kind::kUpsert || present;
      expected.push_back(applies ? WriteOutcome::kApplied : WriteOutcome::kNotFound);
      ops.push_back(std::move(op));
    }
    ASSERT_EQ(write(shard_.shard(), ops), expected);
  }

  static std::string bytes(const nlohmann::json& payload) { return payload.is_null() ? std::string() : payload.dump(); }

  void compare_points() {
    ASSERT_EQ(*shard_->count({}), model_.size());
    ASSERT_EQ(shard_->stats().vectors, model_.size());
    ScrollQuery query;
    query.limit = 10000;
    query.projection.with_vector = true;
    const auto page = shard_->scroll(query);
    ASSERT_EQ(page->points.size(), model_.size());
    auto expected = model_.begin();
    for (const Point& point : page->points) {
      ASSERT_EQ(point.id, expected->first);
      ASSERT_EQ(point.vector, expected->second.vector);
      const auto payload = point.payload.empty() ? nlohmann::json() : nlohmann::json::parse(point.payload);
      ASSERT_TRUE(payload == expected->second.payload || (payload.is_null() && expected->second.payload.empty()))
          << point.payload;
      ++expected;
    }
  }

  void compare_answers(const std::optional<Filter>& filter) {
    const std::vector<float> vector = random_vector(random_, kDimension);
    std::vector<std::pair<double, PointId>> truth;
    std::vector<PointId> matching;
    for (const auto& [id, known] : model_) {
      if (filter && !filter_matches(*filter, id, bytes(known.payload))) continue;
      double distance = 0;
      for (std::size_t i = 0; i < kDimension; ++i) {
        distance += (double{vector[i]} - double{known.vector[i]}) * (double{vector[i]} - double{known.vector[i]});
      }
      truth.emplace_back(distance, id);
      matching.push_back(id);
    }
    ASSERT_EQ(*shard_->count(filter), matching.size());
    if (filter) {
      ASSERT_EQ(*shard_->matching(*filter, {}, 10000), matching);
    }
    std::sort(truth.begin(), truth.end());
    SearchQuery query;
    query.vector = vector;
    query.limit = 1 + random_() % 30;
    query.filter = filter;
    query.exact = true;
    const auto exact = shard_->search(query);
    ASSERT_TRUE(exact) << exact.error().message;
    ASSERT_EQ(exact->size(), std::min(query.limit, truth.size()));
    for (std::size_t i = 0; i < exact->size(); ++i) {
      ASSERT_EQ((*exact)[i].id, truth[i].second);
      ASSERT_NEAR((*exact)[i].score, std::sqrt(truth[i].first), 1e-4);
    }
    query.exact = false;
    const auto quick = shard_->search(query);
    ASSERT_EQ(quick->size(), exact->size());
    for (const auto& hit : *quick) ASSERT_TRUE(model_.contains(hit.id));
  }

  void compare() {
    compare_points();
    compare_answers({});
    compare_answers(filter_of(R"({"must":[{"key":"group","match":{"value":3}}]})"));
    compare_answers(
        filter_of(R"({"must":[{"key":"rank","range":{"gte":0}}],"must_not":[{"key":"tags","match":{"value":"t1"}}]})"));
    compare_answers(filter_of(R"({"should":[{"key":"long","exists":true},{"has_id":[1,2,3,"p5"]}]})"));
    compare_answers(
        filter_of(R"({"must":[{"key":"tags","values_count":{"gte":2}},{"key":"group","match":{"except":[1]}}]})"));
  }

  ShardFixture shard_{kDimension};
  std::map<PointId, Known> model_;
  std::mt19937 random_;
};

TEST_P(ShardModel, AgreesWithAMapThroughRandomOperationsAndRestarts) {
  const char* fixed = std::getenv("VECTORIZER_TEST_SEED");
  const auto seed = fixed != nullptr ? static_cast<std::uint32_t>(std::stoul(fixed)) : std::random_device{}();
  SCOPED_TRACE(::testing::Message() << "VECTORIZER_TEST_SEED=" << seed);
  random_.seed(seed);
  const bool keep_index = GetParam();
  shard_.options().graph_threshold = 150;
  for (int round = 0; round < 250; ++round) {
    write_some();
    if (HasFatalFailure()) return;
    if (random_() % 3 == 0) shard_->maintain();
    if (random_() % 25 == 0) shard_.settle();
    if (random_() % 25 == 0) {
      if (random_() % 2 == 0) {
        ASSERT_TRUE(shard_->save());
      }
      if (!keep_index) std::filesystem::remove(shard_.index_file());
      shard_.reopen();
    }
    if (random_() % 10 == 0) compare();
    if (HasFatalFailure()) return;
  }
  compare();
}

INSTANTIATE_TEST_SUITE_P(SavedIndex, ShardModel, ::testing::Bool(),
                         [](const auto& parameter) { return parameter.param ? "Kept" : "Lost"; });

}  // namespace
}  // namespace vectorizer::shard
