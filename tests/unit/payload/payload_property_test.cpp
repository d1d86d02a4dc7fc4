// Random payloads and filters over few keys and values, so that everything collides: what the index answers is held
// against the reference semantics, point by point.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "vectorizer/model/filter.hpp"
#include "vectorizer/model/json_parse.hpp"
#include "vectorizer/payload/payload_index.hpp"

namespace vectorizer::payload {
namespace {

using nlohmann::json;

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  std::size_t below(std::size_t n) { return engine_() % n; }
  bool chance(std::size_t percent) { return below(100) < percent; }
  template <typename T, std::size_t N>
  const T& pick(const T (&of)[N]) {
    return of[below(N)];
  }

  json scalar() {
    static const json kScalars[] = {nullptr,
                                    true,
                                    false,
                                    0,
                                    1,
                                    1.0,
                                    -1,
                                    2.5,
                                    9007199254740992U,
                                    9007199254740993U,
                                    9223372036854775807U,
                                    9223372036854775808U,
                                    9223372036854775808.0,
                                    18446744073709551615U,
                                    1e300,
                                    "",
                                    "a",
                                    "b",
                                    "1",
                                    "2024-01-01T00:00:00Z",
                                    "2024-01-01T01:00:00+01:00",
                                    "2024-06-01T00:00:00.5Z",
                                    std::string(300, 'l'),
                                    std::string(300, 'm')};
    return pick(kScalars);
  }

  json value(std::size_t depth) {
    if (depth < 3 && chance(20)) return object(depth + 1);
    if (depth < 3 && chance(30)) {
      json array = json::array();
      for (std::size_t n = below(4); n > 0; --n) array.push_back(value(depth + 1));
      return array;
    }
    return scalar();
  }

  json object(std::size_t depth) {
    static const char* const kNames[] = {"a", "b", "c", "a.b", "", "q\"x"};
    json object = json::object();
    for (std::size_t n = below(4); n > 0; --n) object[pick(kNames)] = value(depth);
    return object;
  }

  std::string key() {
    static const char* const kKeys[] = {"a", "b", "c", "\"a.b\"", "\"\"", "\"q\\\"x\""};
    std::string key = pick(kKeys);
    while (chance(30)) key += std::string(".") + pick(kKeys);
    return key;
  }

  json list_of_scalars() {
    json list = json::array();
    for (std::size_t n = below(4); n > 0; --n) list.push_back(scalar());
    return list;
  }

  json range() {
    static const char* const kBounds[] = {"gt", "gte", "lt", "lte"};
    static const json kNumbers[] = {-1, 0, 1, 2.5, 9007199254740992U, 9223372036854775808U, 1e19};
    static const json kTimes[] = {"2024-01-01T00:00:00Z", "2024-05-31T23:59:59.9Z", "2025-01-01T00:00:00-05:00"};
    const bool time = chance(40);
    json range = json::object();
    for (std::size_t n = 1 + below(2); n > 0; --n) range[pick(kBounds)] = time ? pick(kTimes) : pick(kNumbers);
    return range;
  }

  json condition(std::size_t depth) {
    switch (below(depth < 3 ? 12 : 9)) {
      case 0:
        return {{"key", key()}, {"match", {{"value", scalar()}}}};
      case 1:
        return {{"key", key()}, {"match", {{"any", list_of_scalars()}}}};
      case 2:
        return {{"key", key()}, {"match", {{"except", list_of_scalars()}}}};
      case 3:
        return {{"key", key()}, {"range", range()}};
      case 4:
        return {{"key", key()}, {"exists", chance(50)}};
      case 5:
        return {{"key", key()}, {"is_null", chance(50)}};
      case 6:
        return {{"key", key()}, {"is_empty", chance(50)}};
      case 7: {
        static const char* const kBounds[] = {"gt", "gte", "lt", "lte"};
        return {{"key", key()}, {"values_count", {{pick(kBounds), below(4)}}}};
      }
      case 8: {
        json ids = json::array();
        for (std::size_t n = below(4); n > 0; --n) {
          const std::size_t id = below(300);
          ids.push_back(id % 3 == 0 ? json("p" + std::to_string(id)) : json(id));
        }
        return {{"has_id", ids}};
      }
      case 9:
        return {{"nested", {{"key", key()}, {"filter", filter(depth + 1)}}}};
      default: {
        json group = filter(depth + 1);
        return group.empty() ? json{{"must", json::array()}} : group;
      }
    }
  }

  json conditions(std::size_t depth) {
    json list = json::array();
    for (std::size_t n = below(3); n > 0; --n) list.push_back(condition(depth));
    return list;
  }

  json filter(std::size_t depth) {
    json filter = json::object();
    if (chance(50)) filter["must"] = conditions(depth);
    if (chance(40)) filter["should"] = conditions(depth);
    if (chance(40)) filter["must_not"] = conditions(depth);
    if (chance(15)) filter["min_should"] = {{"count", 1 + below(3)}, {"conditions", conditions(depth)}};
    return filter;
  }

 private:
  std::mt19937_64 engine_;
};

std::uint64_t chosen_seed() {
  const char* const fixed = std::getenv("VECTORIZER_TEST_SEED");
  const std::uint64_t seed = fixed != nullptr ? std::strtoull(fixed, nullptr, 10) : std::random_device{}();
  std::cout << "VECTORIZER_TEST_SEED=" << seed << '\n';
  return seed;
}

struct Stored {
  PointId id;
  std::string payload;
};

/// Points come, are replaced and go, as a shard does it.
std::map<Slot, Stored> fill(Random& random, PayloadIndex& index) {
  std::map<Slot, Stored> live;
  for (Slot slot = 0; slot < 300; ++slot) {
    const PointId id = slot % 3 == 0 ? PointId("p" + std::to_string(slot)) : PointId(std::uint64_t{slot});
    const std::string payload = random.chance(5) ? "" : random.object(0).dump();
    index.add(slot, id, payload);
    live[slot] = {id, payload};
    if (random.chance(25)) {
      const auto gone = std::next(live.begin(), static_cast<std::ptrdiff_t>(random.below(live.size())));
      index.remove(gone->first, gone->second.id, gone->second.payload);
      live.erase(gone);
    }
  }
  return live;
}

struct Tally {
  std::size_t exact = 0, inexact = 0;
};

Tally check(std::uint64_t seed, const PayloadIndex::Options& options, std::size_t filters) {
  Random random(seed);
  const auto index = make_payload_index(options);
  const auto live = fill(random, *index);
  Tally tally;
  for (std::size_t i = 0; i < filters; ++i) {
    const std::string text = random.filter(0).dump();
    const auto filter = parse_filter(*parse_json(text), {});
    EXPECT_TRUE(filter) << text << ": " << (filter ? "" : filter.error().message);
    if (!filter) break;
    std::vector<Slot> expected;
    for (const auto& [slot, stored] : live) {
      if (filter_matches(*filter, stored.id, stored.payload)) expected.push_back(slot);
    }
    const Candidates found = index->match(*filter);
    ++(found.exact ? tally.exact : tally.inexact);
    const bool right = found.exact
                           ? found.slots == expected
                           : std::includes(found.slots.begin(), found.slots.end(), expected.begin(), expected.end());
    EXPECT_TRUE(right) << "seed " << seed << ", " << (found.exact ? "exact " : "superset ") << text;
    if (!right) break;
  }
  return tally;
}

TEST(PayloadIndexProperty, AgreesWithTheReferenceOnRandomPayloadsAndFilters) {
  const std::uint64_t seed = chosen_seed();
  Tally sum;
  for (std::uint64_t round = 0; round < 10 && !HasFailure(); ++round) {
    const Tally tally = check(seed + round, {}, 300);
    sum.exact += tally.exact;
    sum.inexact += tally.inexact;
  }
  // Both kinds must have been seen, or the comparison above says nothing about one of them.
  EXPECT_GT(sum.exact, 500U);
  EXPECT_GT(sum.inexact, 100U);
}

TEST(PayloadIndexProperty, AgreesWhenEveryBudgetIsTooSmall) {
  const std::uint64_t seed = chosen_seed();
  Tally sum;
  for (std::uint64_t round = 0; round < 10 && !HasFailure(); ++round) {
    PayloadIndex::Options options;
    options.max_paths = 1 + round;
    options.max_values_per_path = 2 + round % 3;
    sum.inexact += check(seed + round, options, 200).inexact;
  }
  EXPECT_GT(sum.inexact, 200U);
}

}  // namespace
}  // namespace vectorizer::payload
