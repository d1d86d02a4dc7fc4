#include "filter_codec.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

#include "vectorizer/model/match_value.hpp"

namespace vectorizer::rpc {
namespace {

bool same(const Filter& a, const Filter& b);

struct SameTest {
  const Condition& other;
  template <typename Test>
  bool operator()(const Test& mine) const {
    const auto* theirs = std::get_if<Test>(&other.test);
    return theirs != nullptr && equal(mine, *theirs);
  }

  static bool equal(const MatchAny& a, const MatchAny& b) { return a.values == b.values; }
  static bool equal(const MatchExcept& a, const MatchExcept& b) { return a.values == b.values; }
  static bool equal(const Range& a, const Range& b) {
    return a.gt == b.gt && a.gte == b.gte && a.lt == b.lt && a.lte == b.lte && a.is_time == b.is_time;
  }
  static bool equal(const ValuesCount& a, const ValuesCount& b) {
    return a.gt == b.gt && a.gte == b.gte && a.lt == b.lt && a.lte == b.lte;
  }
  static bool equal(const Exists& a, const Exists& b) { return a.wanted == b.wanted; }
  static bool equal(const IsNull& a, const IsNull& b) { return a.wanted == b.wanted; }
  static bool equal(const IsEmpty& a, const IsEmpty& b) { return a.wanted == b.wanted; }
  static bool equal(const HasId& a, const HasId& b) { return a.ids == b.ids; }
  static bool equal(const Nested& a, const Nested& b) { return same(*a.filter, *b.filter); }
  static bool equal(const std::shared_ptr<const Filter>& a, const std::shared_ptr<const Filter>& b) {
    return same(*a, *b);
  }
};

bool same(const std::vector<Condition>& a, const std::vector<Condition>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].path != b[i].path || !std::visit(SameTest{b[i]}, a[i].test)) return false;
  }
  return true;
}

bool same(const Filter& a, const Filter& b) {
  return same(a.must, b.must) && same(a.should, b.should) && same(a.must_not, b.must_not) &&
         same(a.min_should, b.min_should) && a.min_should_count == b.min_should_count;
}

/// Random filters of every kind, values at their edges included.
class Maker {
 public:
  explicit Maker(std::uint64_t seed) : random_(seed) {}

  Filter filter(int depth) {
    Filter out;
    fill(out.must, depth);
    fill(out.should, depth);
    fill(out.must_not, depth);
    fill(out.min_should, depth);
    out.min_should_count = below(4);
    return out;
  }

 private:
  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
  std::string text() {
    std::string out;
    for (auto size = below(6); size > 0; --size) out.push_back(static_cast<char>(below(256)));  // not only UTF-8
    return out;
  }
  double number() {
    constexpr double kEdges[] = {0.0, -0.5, 1e300, 5e-324, 9007199254740993.0, -1.7976931348623157e308, 0.1};
    return kEdges[below(std::size(kEdges))];
  }
  MatchValue value() {
    switch (below(6)) {
      case 0:
        return nullptr;
      case 1:
        return below(2) == 0;
      case 2:
        return below(2) == 0 ? std::numeric_limits<std::int64_t>::min() : std::int64_t{-1};
      case 3:
        return std::numeric_limits<std::uint64_t>::max() - below(3);
      case 4:
        return number();
      default:
        return text();
    }
  }
  std::vector<MatchValue> values() {
    std::vector<MatchValue> out;
    for (auto count = below(5); count > 0; --count) out.push_back(value());
    return out;
  }
  void fill(std::vector<Condition>& out, int depth) {
    for (auto count = below(3); count > 0; --count) out.push_back(condition(depth));
  }
  Condition condition(int depth) {
    Condition out;
    for (auto count = below(4); count > 0; --count) out.path.push_back(text());
    switch (below(depth > 0 ? 10 : 8)) {
      case 0:
        out.test = MatchAny{values()};
        break;
      case 1:
        out.test = MatchExcept{values()};
        break;
      case 2: {
        Range range;
        if (below(2) == 0) range.gt = number();
        if (below(2) == 0) range.gte = number();
        if (below(2) == 0) range.lt = number();
        if (below(2) == 0) range.lte = number();
        range.is_time = below(2) == 0;
        out.test = range;
        break;
      }
      case 3:
        out.test = Exists{below(2) == 0};
        break;
      case 4:
        out.test = IsNull{below(2) == 0};
        break;
      case 5:
        out.test = IsEmpty{below(2) == 0};
        break;
      case 6: {
        ValuesCount count;
        if (below(2) == 0) count.gt = 0;
        if (below(2) == 0) count.lte = std::numeric_limits<std::uint64_t>::max();
        out.test = count;
        break;
      }
      case 7: {
        HasId ids;
        for (auto count = below(4); count > 0; --count) {
          ids.ids.push_back(below(2) == 0 ? PointId(below(3)) : PointId(text()));
        }
        out.test = ids;
        break;
      }
      case 8:
        out.test = Nested{std::make_shared<const Filter>(filter(depth - 1))};
        break;
      default:
        out.test = std::make_shared<const Filter>(filter(depth - 1));
    }
    return out;
  }

  std::mt19937_64 random_;
};

Result<Filter> through_the_wire(const Filter& filter) {
  wire::Filter sent;
  encode_filter(filter, sent);
  wire::Filter received;
  if (!received.ParseFromString(sent.SerializeAsString())) return Error{ErrorType::kInternal, "not parsed"};
  return decode_filter(received);
}

TEST(FilterCodec, ARandomFilterComesBackAsItWas) {
  for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
    const Filter filter = Maker(seed).filter(4);
    const auto back = through_the_wire(filter);
    ASSERT_TRUE(back) << seed << ": " << back.error().message;
    ASSERT_TRUE(same(filter, *back)) << seed;
  }
}

TEST(FilterCodec, WhatAClientWroteDecidesTheSameAfterwards) {
  const auto json = nlohmann::json::parse(R"({
    "must": [{"key": "at", "range": {"gte": "2024-02-29T12:00:00.123456Z"}},
             {"key": "a.\"b.c\"", "match": {"any": [1, 1.5, "x", null, 18446744073709551615]}}],
    "should": [{"has_id": [1, "one"]}, {"must": [{"key": "k", "exists": true}]}],
    "min_should": {"count": 1, "conditions": [{"nested": {"key": "list", "filter": {"must": [
        {"key": "n", "values_count": {"gt": 1}}]}}}, {"key": "e", "is_empty": false}]}})");
  const auto filter = parse_filter(json, FilterLimits());
  ASSERT_TRUE(filter) << filter.error().message;
  const auto back = through_the_wire(*filter);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_TRUE(same(*filter, *back));
}

Filter nested(int depth) {
  Filter filter;
  for (int i = 1; i < depth; ++i) {
    Filter outer;
    outer.must.push_back({{}, std::make_shared<const Filter>(std::move(filter))});
    filter = std::move(outer);
  }
  return filter;
}

TEST(FilterCodec, DeeperThanAnyClientMayWrite) {
  const Filter filter = nested(1000);
  const auto back = through_the_wire(filter);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_TRUE(same(filter, *back));
}

TEST(FilterCodec, GroupsThatWouldOverflowTheStackAreRefused) {
  EXPECT_FALSE(through_the_wire(nested(1001)));
  wire::Filter bad;
  constexpr int kGroups = 1'000'000;
  for (int i = 1; i < kGroups; ++i) bad.add_groups()->add_must()->set_group(static_cast<std::uint32_t>(i));
  bad.add_groups();
  EXPECT_FALSE(decode_filter(bad));
}

TEST(FilterCodec, GroupsOutOfPlaceAreRefused) {
  Filter filter;
  filter.must.push_back({{}, std::make_shared<const Filter>()});
  filter.must.push_back({{}, std::make_shared<const Filter>()});
  wire::Filter good;
  encode_filter(filter, good);
  ASSERT_TRUE(decode_filter(good));

  for (const std::uint32_t group : {0U, 2U, 3U}) {  // itself, named twice, not there
    wire::Filter bad = good;
    bad.mutable_groups(0)->mutable_must(0)->set_group(group);
    EXPECT_FALSE(decode_filter(bad)) << group;
  }
  wire::Filter unnamed = good;
  unnamed.add_groups();
  EXPECT_FALSE(decode_filter(unnamed));
  wire::Filter empty_test = good;
  empty_test.mutable_groups(1)->add_must();
  EXPECT_FALSE(decode_filter(empty_test));
  EXPECT_FALSE(decode_filter(wire::Filter()));
}

}  // namespace
}  // namespace vectorizer::rpc
