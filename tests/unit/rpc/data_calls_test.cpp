#include <gtest/gtest.h>

#include <limits>

#include "unit/rpc/fakes.hpp"

namespace vectorizer::rpc {
namespace {

using testing::Pair;

Filter key_is(const std::string& key, std::int64_t value) {
  Filter filter;
  filter.must.push_back({{key}, MatchAny{{value}}});
  return filter;
}

bool is_key(const Filter& filter, const std::string& key, std::int64_t value) {
  return filter.must.size() == 1 && filter.must[0].path == PayloadPath{key} &&
         std::get<MatchAny>(filter.must[0].test).values == std::vector<MatchValue>{value};
}

Point point(PointId id) {
  return {std::move(id), {1.5F, -0.0F, std::numeric_limits<float>::denorm_min()}, R"({"a":"\u0000 ü"})"};
}

void expect_same(const Point& a, const Point& b) {
  EXPECT_EQ(a.id, b.id);
  EXPECT_EQ(a.vector, b.vector);
  EXPECT_EQ(a.payload, b.payload);
}

class DataCalls : public ::testing::Test, protected Pair {
 protected:
  void SetUp() override { start(); }
};

TEST_F(DataCalls, AWriteArrivesAsItWasMeantAndItsOutcomesComeBackPerShard) {
  const Filter condition = key_is("k", 7);
  std::vector<peer::ShardWrite> writes(2);
  writes[0] = {ShardId(5), 3, std::vector<WriteOp>(3)};
  writes[0].stamp = RequestStamp{{1, std::numeric_limits<std::uint64_t>::max()}, 3};
  writes[0].ops[0].id = PointId(std::numeric_limits<std::uint64_t>::max());
  writes[0].ops[0].vector = {1.0F, 2.0F};
  writes[0].ops[0].payload = R"({"a":1})";
  writes[0].ops[1].kind = WriteOp::Kind::kPayload;
  writes[0].ops[1].id = PointId(std::string("text\xff"));
  writes[0].ops[1].mode = PayloadMode::kDeleteKeys;
  writes[0].ops[1].keys = {"x", ""};
  writes[0].ops[1].only_if = &condition;
  writes[0].ops[2].kind = WriteOp::Kind::kDelete;
  writes[0].ops[2].only_if = &condition;
  writes[1] = {ShardId(6), 4, std::vector<WriteOp>(1)};
  writes[1].ops[0].kind = WriteOp::Kind::kPatch;
  writes[1].ops[0].mode = PayloadMode::kSet;

  data.on_write = [](std::vector<peer::ShardWrite> got) {
    EXPECT_EQ(got.size(), 2U);
    const auto& ops = got[0].ops;
    EXPECT_EQ(got[0].shard, ShardId(5));
    EXPECT_EQ(got[0].term, 3U);
    EXPECT_EQ(got[0].stamp, (RequestStamp{{1, std::numeric_limits<std::uint64_t>::max()}, 3}));
    EXPECT_EQ(got[1].stamp, std::nullopt);
    EXPECT_EQ(ops.size(), 3U);
    EXPECT_EQ(ops[0].kind, WriteOp::Kind::kUpsert);
    EXPECT_EQ(ops[0].id, PointId(std::numeric_limits<std::uint64_t>::max()));
    EXPECT_EQ(ops[0].vector, (std::vector<float>{1.0F, 2.0F}));
    EXPECT_EQ(ops[0].payload, R"({"a":1})");
    EXPECT_EQ(ops[0].only_if, nullptr);
    EXPECT_EQ(ops[1].kind, WriteOp::Kind::kPayload);
    EXPECT_EQ(ops[1].mode, PayloadMode::kDeleteKeys);
    EXPECT_EQ(ops[1].id, PointId(std::string("text\xff")));
    EXPECT_EQ(ops[1].keys, (std::vector<std::string>{"x", ""}));
    EXPECT_TRUE(ops[1].only_if != nullptr && is_key(*ops[1].only_if, "k", 7));
    EXPECT_EQ(ops[2].kind, WriteOp::Kind::kDelete);
    EXPECT_EQ(ops[2].only_if, ops[1].only_if);  // sent once
    EXPECT_EQ(got[1].ops[0].kind, WriteOp::Kind::kPatch);
    EXPECT_EQ(got[1].ops[0].mode, PayloadMode::kSet);
    std::vector<peer::ShardWriteReply> replies;
    // In another order than asked for.
    replies.push_back({ShardId(6), Error{ErrorType::kNotEnoughReplicas, "1 of 2"}.with("outcome", "unknown")});
    replies.push_back(
        {ShardId(5), std::vector<WriteOutcome>{WriteOutcome::kApplied, WriteOutcome::kNotFound, WriteOutcome::kApplied},
         4711});
    return replies;
  };
  const auto replies = peer().write(writes);
  ASSERT_EQ(replies.size(), 2U);
  EXPECT_EQ(replies[0].shard, ShardId(5));
  ASSERT_TRUE(replies[0].outcomes);
  EXPECT_EQ(*replies[0].outcomes,
            (std::vector<WriteOutcome>{WriteOutcome::kApplied, WriteOutcome::kNotFound, WriteOutcome::kApplied}));
  EXPECT_EQ(replies[0].sequence, 4711U);
  EXPECT_EQ(replies[1].shard, ShardId(6));
  ASSERT_FALSE(replies[1].outcomes);
  EXPECT_EQ(replies[1].outcomes.error().type, ErrorType::kNotEnoughReplicas);
  EXPECT_EQ(replies[1].outcomes.error().message, "1 of 2");
  EXPECT_EQ(replies[1].outcomes.error().details, R"({"outcome":"unknown"})");
}

TEST_F(DataCalls, AShardWithoutAnAnswerHasAnUnknownOutcome) {
  data.on_write = [](std::vector<peer::ShardWrite>) { return std::vector<peer::ShardWriteReply>(); };
  const auto replies = peer().write({{ShardId(5), 1, {}}});
  ASSERT_EQ(replies.size(), 1U);
  ASSERT_FALSE(replies[0].outcomes);
  EXPECT_EQ(replies[0].outcomes.error().details, R"({"outcome":"unknown"})");
}

TEST_F(DataCalls, ASearchCarriesTheWholeQueryAndBringsHitsPerShard) {
  SearchQuery query;
  query.vector = {0.25F, -1.0F};
  query.limit = 12;
  query.offset = 3;
  query.filter = key_is("k", 9);
  query.projection = {false, true, {"a", "b.c"}, 12345};
  query.consistency = Consistency::kPrimary;
  query.score_threshold = 0.5F;
  query.ef = 77;
  query.exact = true;
  query.rescore = false;
  query.allow_partial = true;
  query.timeout_ms = 1500;
  query.deadline = Deadline(Deadline::Clock::now(), 1500);

  data.on_search = [&](std::span<const ShardId> shards, const SearchQuery& got) {
    EXPECT_EQ(std::vector<ShardId>(shards.begin(), shards.end()), (std::vector<ShardId>{ShardId(1), ShardId(9)}));
    EXPECT_EQ(got.vector, query.vector);
    EXPECT_EQ(got.limit, 12U);
    EXPECT_EQ(got.offset, 3U);
    EXPECT_TRUE(got.filter && is_key(*got.filter, "k", 9));
    EXPECT_FALSE(got.projection.with_payload);
    EXPECT_TRUE(got.projection.with_vector);
    EXPECT_EQ(got.projection.payload_keys, (std::vector<std::string>{"a", "b.c"}));
    EXPECT_EQ(got.projection.max_bytes, 12345U);
    EXPECT_EQ(got.consistency, Consistency::kPrimary);
    EXPECT_EQ(got.score_threshold, 0.5F);
    EXPECT_EQ(got.ef, 77U);
    EXPECT_TRUE(got.exact);
    EXPECT_EQ(got.rescore, false);
    EXPECT_TRUE(got.allow_partial);
    EXPECT_EQ(got.timeout_ms, 1500U);
    EXPECT_EQ(got.deadline.timeout_ms(), 1500U);
    EXPECT_FALSE(got.deadline.passed());
    EXPECT_LE(got.deadline.at(), Deadline::Clock::now() + std::chrono::milliseconds(1500));
    std::vector<peer::ShardSearchReply> replies;
    replies.push_back({ShardId(1), std::vector<ScoredPoint>{{PointId(4), 0.75F, "{}", {1.0F}},
                                                            {PointId(std::string("x")), -1e30F, "", {}}}});
    replies.push_back({ShardId(9), Error{ErrorType::kShardUnavailable, "Shard not found or not assigned"}});
    return replies;
  };
  const std::vector<ShardId> shards{ShardId(1), ShardId(9)};
  const auto replies = peer().search(shards, query);
  ASSERT_EQ(replies.size(), 2U);
  ASSERT_TRUE(replies[0].hits) << replies[0].hits.error().message;
  ASSERT_EQ(replies[0].hits->size(), 2U);
  EXPECT_EQ((*replies[0].hits)[0].id, PointId(4));
  EXPECT_EQ((*replies[0].hits)[0].score, 0.75F);
  EXPECT_EQ((*replies[0].hits)[0].payload, "{}");
  EXPECT_EQ((*replies[0].hits)[0].vector, std::vector<float>{1.0F});
  EXPECT_EQ((*replies[0].hits)[1].id, PointId(std::string("x")));
  EXPECT_EQ((*replies[0].hits)[1].score, -1e30F);
  ASSERT_FALSE(replies[1].hits);
  EXPECT_EQ(replies[1].hits.error().type, ErrorType::kShardUnavailable);
}

TEST_F(DataCalls, AQueryWithoutOptionalPartsStaysWithoutThem) {
  data.on_search = [](std::span<const ShardId> shards, const SearchQuery& got) {
    EXPECT_FALSE(got.filter || got.score_threshold || got.ef || got.rescore || got.timeout_ms);
    EXPECT_EQ(got.deadline.at(), Deadline::Clock::time_point::max());
    EXPECT_TRUE(got.projection.with_payload);
    EXPECT_EQ(got.projection.max_bytes, Projection().max_bytes);
    EXPECT_EQ(got.consistency, Consistency::kAny);
    return std::vector<peer::ShardSearchReply>{{shards[0], std::vector<ScoredPoint>()}};
  };
  const std::vector<ShardId> shards{ShardId(1)};
  const auto replies = peer().search(shards, SearchQuery{});
  ASSERT_TRUE(replies.at(0).hits);
  EXPECT_TRUE(replies[0].hits->empty());
}

TEST_F(DataCalls, GetKeepsThePlacesOfPointsThatAreNotThere) {
  data.on_get = [](const ShardId& shard, std::span<const PointId> ids, const Projection& what) {
    EXPECT_EQ(shard, ShardId(8));
    EXPECT_EQ(ids.size(), 3U);
    EXPECT_EQ(ids[1], PointId(std::string("1")));
    EXPECT_TRUE(what.with_vector);
    return std::vector<std::optional<Point>>{std::nullopt, point(PointId(std::string("1"))), std::nullopt};
  };
  const std::vector<PointId> ids{PointId(1), PointId(std::string("1")), PointId(2)};
  const ReadFrom any{Consistency::kAny, {{ShardId(8), {.sequence = 70, .term = 3}}}, {}};
  const auto replies = peer().get(std::vector<peer::ShardIds>{{ShardId(8), ids}}, {true, true, {}}, any);
  ASSERT_EQ(replies.size(), 1U);
  const auto& points = replies[0].answer;
  ASSERT_TRUE(points) << points.error().message;
  EXPECT_EQ(data.from.consistency, Consistency::kAny);
  EXPECT_EQ(data.from.session, any.session);
  EXPECT_EQ(data.from.deadline.at(), Deadline::Clock::time_point::max());
  ASSERT_EQ(points->size(), 3U);
  EXPECT_FALSE((*points)[0] || (*points)[2]);
  ASSERT_TRUE((*points)[1]);
  expect_same(*(*points)[1], point(PointId(std::string("1"))));
}

TEST_F(DataCalls, AScrollPage) {
  data.on_scroll = [](const ShardId& shard, const ScrollQuery& query) -> Result<peer::ShardPage> {
    if (shard != ShardId(8)) return Error{ErrorType::kShardUnavailable, "not here"};
    EXPECT_EQ(query.limit, 2U);
    EXPECT_EQ(query.after, PointId(std::string("m")));
    EXPECT_TRUE(query.filter && is_key(*query.filter, "q", 1));
    return peer::ShardPage{{point(PointId(1)), point(PointId(std::string("z")))}, false};
  };
  ScrollQuery query;
  query.limit = 2;
  query.after = PointId(std::string("m"));
  query.filter = key_is("q", 1);
  const auto now = Deadline::Clock::now();
  const std::vector<ShardId> shards{ShardId(8), ShardId(9)};
  const auto replies = peer().scroll(shards, query, {Consistency::kPrimary, {}, Deadline(now, 3000)});
  ASSERT_EQ(replies.size(), 2U);
  EXPECT_EQ(replies[1].shard, ShardId(9));
  ASSERT_FALSE(replies[1].answer);
  EXPECT_EQ(replies[1].answer.error().type, ErrorType::kShardUnavailable);
  EXPECT_EQ(data.from.consistency, Consistency::kPrimary);
  EXPECT_GT(data.from.deadline.at(), now + std::chrono::milliseconds(1000));
  EXPECT_LE(data.from.deadline.at(), Deadline::Clock::now() + std::chrono::milliseconds(3000));
  const auto& page = replies[0].answer;
  ASSERT_TRUE(page) << page.error().message;
  ASSERT_EQ(page->points.size(), 2U);
  expect_same(page->points[1], point(PointId(std::string("z"))));
  EXPECT_FALSE(page->complete);
}

TEST_F(DataCalls, CountMatchingAndReport) {
  data.on_count = [](const ShardId& shard, const std::optional<Filter>& filter) -> Result<std::uint64_t> {
    return shard.value() + (filter ? 1000 : 0);
  };
  EXPECT_EQ(*testing::count_of(peer(), ShardId(3), std::nullopt), 3U);
  EXPECT_EQ(*testing::count_of(peer(), ShardId(3), key_is("k", 1)), 1003U);

  data.on_matching = [](const ShardId&, const Filter& filter, const std::optional<PointId>& after, std::size_t limit) {
    EXPECT_TRUE(is_key(filter, "k", 2));
    EXPECT_EQ(after, PointId(5));
    EXPECT_EQ(limit, 40U);
    return std::vector<PointId>{PointId(6), PointId(std::string("b"))};
  };
  const auto ids = peer().matching(ShardId(3), key_is("k", 2), PointId(5), 40);
  ASSERT_TRUE(ids);
  EXPECT_EQ(*ids, (std::vector<PointId>{PointId(6), PointId(std::string("b"))}));

  data.on_report = [](std::span<const ShardId> shards) {
    EXPECT_EQ(std::vector<ShardId>(shards.begin(), shards.end()), (std::vector<ShardId>{ShardId(7), ShardId(8)}));
    peer::ShardReport report;
    report.shard = ShardId(7);
    report.vectors = 1;
    report.indexed = 2;
    report.pending = 3;
    report.tombstones = 4;
    report.sequence = 5;
    report.code_bytes = 6;
    report.graph_bytes = 7;
    report.vector_bytes = 8;
    report.payload_bytes = 9;
    report.oldest_pending_seconds = 0.5;
    report.indexed_paths = {"a.b"};
    report.problem = "no room";
    report.quarantined = "damaged";
    report.quarantined_node = NodeId("node-4");
    report.open = false;
    return std::vector<peer::ShardReport>{report};
  };
  const std::vector<ShardId> wanted{ShardId(7), ShardId(8)};
  const auto reports = peer().report(wanted);
  ASSERT_TRUE(reports);
  ASSERT_EQ(reports->size(), 1U);
  const auto& report = reports->front();
  EXPECT_EQ(report.shard, ShardId(7));
  EXPECT_EQ(
      (std::vector<std::uint64_t>{report.vectors, report.indexed, report.pending, report.tombstones, report.sequence,
                                  report.code_bytes, report.graph_bytes, report.vector_bytes, report.payload_bytes}),
      (std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(report.oldest_pending_seconds, 0.5);
  EXPECT_EQ(report.indexed_paths, std::vector<std::string>{"a.b"});
  EXPECT_EQ(report.problem, "no room");
  EXPECT_EQ(report.quarantined, "damaged");
  EXPECT_EQ(report.quarantined_node, NodeId("node-4"));
  EXPECT_FALSE(report.open);
}

TEST_F(DataCalls, TheDigestOfACopy) {
  data.on_digest = [](const ShardId& shard) -> Result<peer::ShardDigest> {
    if (shard == ShardId(7)) return peer::ShardDigest{5, 6, 0xffffffffffffffff, 8};
    return Error{ErrorType::kOverloaded, "another copy is being read"};
  };
  const auto digest = peer().digest(ShardId(7));
  ASSERT_TRUE(digest) << digest.error().message;
  EXPECT_EQ(*digest, (peer::ShardDigest{5, 6, 0xffffffffffffffff, 8}));
  EXPECT_EQ(peer().digest(ShardId(8)).error().type, ErrorType::kOverloaded);
}

TEST_F(DataCalls, APartOfACopy) {
  peer::CopySlice sent;
  sent.sequence = 9;
  sent.points = 2;
  sent.high = 0xffffffffffffffff;
  sent.low = 8;
  sent.last = PointId("z");
  sent.complete = false;
  sent.bytes = 700;
  sent.list = {{PointId(std::uint64_t{4}), 7, 0xfffffffffffffffe}, {PointId("z"), 9, 1}};
  std::vector<peer::SliceOrder> orders;
  data.on_slice = [&](const ShardId& shard, const peer::SliceOrder& order) -> Result<peer::CopySlice> {
    if (shard != ShardId(7)) return Error{ErrorType::kShardUnavailable, "not here"};
    orders.push_back(order);
    return sent;
  };
  const auto slice = peer().slice(ShardId(7), {PointId(std::uint64_t{0}), PointId("z"), 10, 1000, true});
  ASSERT_TRUE(slice) << slice.error().message;
  EXPECT_EQ(static_cast<const peer::ShardDigest&>(*slice), sent);
  EXPECT_EQ(std::tie(slice->last, slice->complete, slice->bytes, slice->list),
            std::tie(sent.last, sent.complete, sent.bytes, sent.list));
  ASSERT_TRUE(peer().slice(ShardId(7), {}));
  ASSERT_EQ(orders.size(), 2U);
  EXPECT_EQ(orders[0].after, PointId(std::uint64_t{0}));
  EXPECT_EQ(orders[0].until, PointId("z"));
  EXPECT_EQ(orders[0].max_points, 10U);
  EXPECT_EQ(orders[0].max_bytes, 1000U);
  EXPECT_TRUE(orders[0].listed);
  EXPECT_FALSE(orders[1].after || orders[1].until || orders[1].listed);
  EXPECT_EQ(peer().slice(ShardId(8), {}).error().type, ErrorType::kShardUnavailable);
}

TEST_F(DataCalls, AnErrorOfTheOtherNodeComesBackWholeHoweverLong) {
  const Error sent =
      Error{ErrorType::kCollectionNotFound, std::string(50'000, 'm')}.with("long", std::string(50'000, 'd'));
  data.on_count = [&](const ShardId&, const std::optional<Filter>&) -> Result<std::uint64_t> { return sent; };
  const auto count = testing::count_of(peer(), ShardId(1), std::nullopt);
  ASSERT_FALSE(count);
  EXPECT_EQ(count.error().type, sent.type);
  EXPECT_EQ(count.error().message, sent.message);
  EXPECT_EQ(count.error().details, sent.details);
}

}  // namespace
}  // namespace vectorizer::rpc
