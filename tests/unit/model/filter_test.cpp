#include "vectorizer/model/filter.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "vectorizer/model/json_parse.hpp"

namespace vectorizer {
namespace {

using nlohmann::json;

json read(std::string_view text) {
  auto parsed = parse_json(text, 1000);
  EXPECT_TRUE(parsed) << text;
  return parsed ? *parsed : json();
}

std::string field_of(const Error& error) {
  const auto details = json::parse(error.details, nullptr, false);
  return details.is_object() ? details.value("field", "") : "";
}

/// The field that parse_filter blames, or "" if it accepts the filter.
std::string blamed(std::string_view text, const FilterLimits& limits = {}) {
  const auto filter = parse_filter(read(text), limits);
  if (filter) return "";
  EXPECT_EQ(filter.error().type, ErrorType::kValidation);
  return field_of(filter.error());
}

TEST(FilterParse, NamesTheFullPathOfWhatIsWrong) {
  const struct {
    std::string_view filter, field;
  } cases[] = {
      {R"([])", "filter"},
      {R"({"musts":[]})", "filter.musts"},
      {R"({"must":{}})", "filter.must"},
      {R"({"must":[7]})", "filter.must[0]"},
      {R"({"must":[{}]})", "filter.must[0]"},
      {R"({"must":[{"foo":1}]})", "filter.must[0].foo"},
      {R"({"must":[{"match":{"value":1}}]})", "filter.must[0].key"},
      {R"({"must":[{"key":"a"}]})", "filter.must[0]"},
      {R"({"must":[{"key":"a","exists":true,"is_null":true}]})", "filter.must[0]"},
      {R"({"must":[{"key":"a","matches":1}]})", "filter.must[0].matches"},
      {R"({"must":[{"key":7,"exists":true}]})", "filter.must[0].key"},
      {R"({"must":[{"key":"a..b","exists":true}]})", "filter.must[0].key"},
      {R"({"must":[{"key":"a","exists":1}]})", "filter.must[0].exists"},
      {R"({"must":[{"key":"a","match":1}]})", "filter.must[0].match"},
      {R"({"must":[{"key":"a","match":{}}]})", "filter.must[0].match"},
      {R"({"must":[{"key":"a","match":{"value":1,"any":[1]}}]})", "filter.must[0].match"},
      {R"({"must":[{"key":"a","match":{"text":"x"}}]})", "filter.must[0].match.text"},
      {R"({"must":[{"key":"a","match":{"value":[1]}}]})", "filter.must[0].match.value"},
      {R"({"must":[{"key":"a","match":{"any":1}}]})", "filter.must[0].match.any"},
      {R"({"should":[{"key":"a","exists":true},{"key":"a","match":{"except":[1,{}]}}]})",
       "filter.should[1].match.except[1]"},
      {R"({"must":[{"key":"a","range":{}}]})", "filter.must[0].range"},
      {R"({"must":[{"key":"a","range":{"from":1}}]})", "filter.must[0].range.from"},
      {R"({"must":[{"key":"a","range":{"gt":"soon"}}]})", "filter.must[0].range.gt"},
      {R"({"must":[{"key":"a","range":{"gt":1,"lt":"2024-01-01T00:00:00Z"}}]})", "filter.must[0].range.lt"},
      {R"({"must":[{"key":"a","range":{"gt":"2024-01-01T00:00:00Z","lt":1}}]})", "filter.must[0].range.lt"},
      {R"({"must":[{"key":"a","range":{"gt":null}}]})", "filter.must[0].range.gt"},
      {R"({"must":[{"key":"a","range":{"gt":9007199254740993}}]})", "filter.must[0].range.gt"},
      {R"({"must":[{"key":"a","values_count":{}}]})", "filter.must[0].values_count"},
      {R"({"must":[{"key":"a","values_count":{"gte":-1}}]})", "filter.must[0].values_count.gte"},
      {R"({"must":[{"key":"a","values_count":{"gte":1.5}}]})", "filter.must[0].values_count.gte"},
      {R"({"must":[{"has_id":1}]})", "filter.must[0].has_id"},
      {R"({"must":[{"has_id":[1,-1]}]})", "filter.must[0].has_id[1]"},
      {R"({"must":[{"has_id":[1.0]}]})", "filter.must[0].has_id[0]"},
      {R"({"must":[{"has_id":[""]}]})", "filter.must[0].has_id[0]"},
      {R"({"must":[{"has_id":[1],"key":"a"}]})", "filter.must[0].has_id"},
      {R"({"must":[{"nested":{"key":"a"}}]})", "filter.must[0].nested.filter"},
      {R"({"must":[{"nested":{"filter":{}}}]})", "filter.must[0].nested.key"},
      {R"({"must":[{"nested":{"key":"a","filter":{"must":[{"key":"","exists":true}]}}}]})",
       "filter.must[0].nested.filter.must[0].key"},
      {R"({"must_not":[{"should":[{"key":"a","exists":"yes"}]}]})", "filter.must_not[0].should[0].exists"},
      {R"({"min_should":[]})", "filter.min_should"},
      {R"({"min_should":{"conditions":[]}})", "filter.min_should.count"},
      {R"({"min_should":{"count":1}})", "filter.min_should.conditions"},
      {R"({"min_should":{"count":0,"conditions":[]}})", "filter.min_should.count"},
      {R"({"min_should":{"count":1,"conditions":[1]}})", "filter.min_should.conditions[0]"},
  };
  for (const auto& c : cases) EXPECT_EQ(blamed(c.filter), c.field) << c.filter;
  EXPECT_EQ(field_of(parse_filter(read(R"({"x":1})"), {}, "searches[2].filter").error()), "searches[2].filter.x");
}

TEST(FilterParse, HoldsItsLimits) {
  FilterLimits limits;
  limits.max_depth = 2;
  limits.max_conditions = 3;
  limits.max_values = 2;
  EXPECT_EQ(blamed(R"({"must":[{"must":[{"key":"a","exists":true}]}]})", limits), "");
  EXPECT_EQ(blamed(R"({"must":[{"must":[{"must":[]}]}]})", limits), "filter.must[0].must[0]");
  EXPECT_EQ(blamed(R"({"must":[{"must":[{"nested":{"key":"a","filter":{}}}]}]})", limits),
            "filter.must[0].must[0].nested.filter");
  constexpr std::string_view kThree =
      R"({"key":"a","exists":true},{"key":"a","exists":true},{"key":"a","exists":true})";
  EXPECT_EQ(blamed(R"({"must":[)" + std::string(kThree) + "]}", limits), "");
  EXPECT_EQ(blamed(R"({"must":[)" + std::string(kThree) + R"(],"should":[{"key":"a","exists":true}]})", limits),
            "filter.should[0]");
  EXPECT_EQ(blamed(R"({"must":[{"key":"a","match":{"any":[1,2]}}]})", limits), "");
  EXPECT_EQ(blamed(R"({"must":[{"key":"a","match":{"any":[1,2,3]}}]})", limits), "filter.must[0].match.any");
  EXPECT_EQ(blamed(R"({"must":[{"has_id":[1,2,3]}]})", limits), "filter.must[0].has_id");
}

TEST(FilterParse, AnEmptyFilterAndEmptyListsAreNoConditions) {
  EXPECT_TRUE(parse_filter(json::object(), {})->empty());
  EXPECT_TRUE(
      parse_filter(read(R"({"must":[],"should":[],"must_not":[],"min_should":{"count":2,"conditions":[]}})"), {})
          ->empty());
}

struct MatchCase {
  std::string_view condition, payload;
  bool holds;
};

void expect_conditions(std::initializer_list<MatchCase> cases) {
  for (const auto& c : cases) {
    const auto filter = parse_filter(read(R"({"must":[)" + std::string(c.condition) + "]}"), {});
    ASSERT_TRUE(filter) << c.condition << ": " << filter.error().message;
    const PointId id(std::uint64_t{7});
    EXPECT_EQ(filter_matches(*filter, id, c.payload), c.holds) << c.condition << " on " << c.payload;
  }
}

TEST(FilterMatch, ComparesValues) {
  constexpr std::string_view kOne = R"({"key":"a","match":{"value":1}})";
  constexpr std::string_view kBig = R"({"key":"a","match":{"value":9007199254740993}})";
  constexpr std::string_view kText = R"({"key":"a","match":{"value":"x"}})";
  constexpr std::string_view kNull = R"({"key":"a","match":{"value":null}})";
  expect_conditions({
      {kOne, R"({"a":1})", true},
      {kOne, R"({"a":1.0})", true},
      {kOne, R"({"a":"1"})", false},
      {kOne, R"({"a":true})", false},
      {kOne, R"({"a":[3,1]})", true},
      {kOne, R"({"a":[3,[2,1]]})", true},
      {kOne, R"({"a":[]})", false},
      {kOne, R"({"a":{"a":1}})", false},
      {kOne, R"({"b":1})", false},
      {kOne, "", false},
      {kBig, R"({"a":9007199254740993})", true},
      {kBig, R"({"a":9007199254740992})", false},
      {kBig, R"({"a":9007199254740992.0})", false},
      {R"({"key":"a","match":{"value":18446744073709551615}})", R"({"a":18446744073709551615})", true},
      {R"({"key":"a","match":{"value":18446744073709551615}})", R"({"a":-1})", false},
      {R"({"key":"a","match":{"value":9223372036854775808}})", R"({"a":9223372036854775808.0})", true},
      {kText, R"({"a":"x"})", true},
      {kText, R"({"a":"X"})", false},
      {kText, R"({"a":"x "})", false},
      {kNull, R"({"a":null})", true},
      {kNull, R"({"a":[1,null]})", true},
      {kNull, "{}", false},
      {R"({"key":"a","match":{"any":["x",2]}})", R"({"a":2})", true},
      {R"({"key":"a","match":{"any":["x",2]}})", R"({"a":3})", false},
      {R"({"key":"a","match":{"any":[]}})", R"({"a":3})", false},
  });
}

TEST(FilterMatch, ExceptNeedsTheKeyAndSomeOtherValue) {
  constexpr std::string_view kExcept = R"({"key":"a","match":{"except":["x",1]}})";
  expect_conditions({
      {kExcept, R"({"a":"y"})", true},
      {kExcept, R"({"a":"x"})", false},
      {kExcept, R"({"a":1.0})", false},
      {kExcept, R"({"a":["x","y"]})", true},
      {kExcept, R"({"a":["x",1]})", false},
      {kExcept, R"({"a":[]})", false},
      {kExcept, R"({"a":null})", true},
      {kExcept, R"({"a":{}})", true},
      {kExcept, R"({"b":2})", false},
      {R"({"key":"a","match":{"except":[]}})", R"({"a":2})", true},
      {R"({"key":"a","match":{"except":[]}})", "{}", false},
  });
}

TEST(FilterMatch, RangesOverNumbersAndTimes) {
  constexpr std::string_view kRange = R"({"key":"a","range":{"gte":1,"lt":2.5}})";
  constexpr std::string_view kTime =
      R"({"key":"a","range":{"gte":"2024-01-01T00:00:00Z","lt":"2025-01-01T00:00:00Z"}})";
  expect_conditions({
      {kRange, R"({"a":1})", true},
      {kRange, R"({"a":2.49})", true},
      {kRange, R"({"a":2.5})", false},
      {kRange, R"({"a":0.99})", false},
      {kRange, R"({"a":"2"})", false},
      {kRange, R"({"a":true})", false},
      {kRange, R"({"a":[0,2]})", true},
      {kRange, R"({"a":[0,3]})", false},
      {kRange, "{}", false},
      {R"({"key":"a","range":{"gt":9007199254740992}})", R"({"a":9007199254740993})", true},
      {R"({"key":"a","range":{"gt":9007199254740992}})", R"({"a":9007199254740992})", false},
      {R"({"key":"a","range":{"gt":9223372036854775808}})", R"({"a":9223372036854775809})", true},
      {R"({"key":"a","range":{"lt":-9223372036854775808}})", R"({"a":-9223372036854775808})", false},
      {R"({"key":"a","range":{"gt":3,"lt":2}})", R"({"a":2.5})", false},
      {kTime, R"({"a":"2024-06-01T12:00:00+02:00"})", true},
      {kTime, R"({"a":"2024-01-01T00:30:00+01:00"})", false},
      {kTime, R"({"a":"2025-01-01T00:30:00+01:00"})", true},
      {kTime, R"({"a":"2024-06-01"})", false},
      {kTime, R"({"a":1717236000})", false},
  });
}

TEST(FilterMatch, TestsForPresence) {
  constexpr std::string_view kExists = R"({"key":"a.b","exists":true})";
  constexpr std::string_view kNot = R"({"key":"a.b","exists":false})";
  constexpr std::string_view kNull = R"({"key":"a","is_null":true})";
  constexpr std::string_view kEmpty = R"({"key":"a","is_empty":true})";
  expect_conditions({
      {kExists, R"({"a":{"b":0}})", true},
      {kExists, R"({"a":{"b":null}})", true},
      {kExists, R"({"a":[{"c":1},{"b":1}]})", true},
      {kExists, R"({"a":{"c":1}})", false},
      {kExists, R"({"a.b":1})", false},
      {R"({"key":"\"a.b\"","exists":true})", R"({"a.b":1})", true},
      {kNot, R"({"a":1})", true},
      {kNot, R"({"a":{"b":[]}})", false},
      {kNull, R"({"a":null})", true},
      {kNull, R"({"a":[null,1]})", true},
      {kNull, R"({"a":0})", false},
      {kNull, "{}", false},
      {R"({"key":"a","is_null":false})", "{}", true},
      {kEmpty, "", true},
      {kEmpty, R"({"a":null})", true},
      {kEmpty, R"({"a":[]})", true},
      {kEmpty, R"({"a":""})", false},
      {kEmpty, R"({"a":{}})", false},
      {kEmpty, R"({"a":[null]})", false},
      {R"({"key":"a","is_empty":false})", R"({"a":0})", true},
      {R"({"key":"a","is_empty":false})", R"({"a":[]})", false},
  });
}

TEST(FilterMatch, CountsValues) {
  constexpr std::string_view kTwo = R"({"key":"a","values_count":{"gte":2}})";
  constexpr std::string_view kFew = R"({"key":"a","values_count":{"lt":2}})";
  expect_conditions({
      {kTwo, R"({"a":[1,2]})", true},
      {kTwo, R"({"a":[1]})", false},
      {kTwo, R"({"a":"xx"})", false},
      {kTwo, "{}", false},
      {kFew, R"({"a":1})", true},
      {kFew, R"({"a":[]})", true},
      {kFew, R"({"a":null})", true},
      {kFew, "{}", true},
      {kFew, R"({"a":[1,2]})", false},
      {R"({"key":"a","values_count":{"gt":0,"lte":1}})", R"({"a":7})", true},
      {R"({"key":"a.b","values_count":{"gte":2}})", R"({"a":[{"b":1},{"b":[1,2]}]})", true},
  });
}

TEST(FilterMatch, NestedHoldsOnOneElement) {
  constexpr std::string_view kNested =
      R"({"nested":{"key":"a","filter":{"must":[{"key":"x","match":{"value":1}}],"must_not":[{"key":"y","match":{"value":2}}]}}})";
  expect_conditions({
      {kNested, R"({"a":[{"x":1,"y":3}]})", true},
      {kNested, R"({"a":[{"x":1,"y":2},{"x":1}]})", true},
      {kNested, R"({"a":[{"x":1,"y":2},{"x":2,"y":3}]})", false},
      {kNested, R"({"a":{"x":1}})", true},
      {kNested, R"({"a":[1,2]})", false},
      {kNested, "{}", false},
      {R"({"nested":{"key":"a","filter":{}}})", R"({"a":[{}]})", true},
      {R"({"nested":{"key":"a","filter":{}}})", R"({"a":[1]})", false},
      {R"({"nested":{"key":"a.b","filter":{"must":[{"nested":{"key":"c","filter":{"must":[{"key":"d","match":{"value":1}}]}}}]}}})",
       R"({"a":[{"b":[{"c":[{"d":2},{"d":1}]}]}]})", true},
  });
}

TEST(FilterMatch, HasIdTellsNumbersFromText) {
  const auto filter = parse_filter(read(R"({"must":[{"has_id":[9,7,"x",7]}]})"), {});
  ASSERT_TRUE(filter);
  EXPECT_TRUE(filter_matches(*filter, PointId(std::uint64_t{7}), ""));
  EXPECT_FALSE(filter_matches(*filter, PointId(std::string("7")), ""));
  EXPECT_TRUE(filter_matches(*filter, PointId(std::string("x")), ""));
  EXPECT_FALSE(filter_matches(*filter, PointId(std::uint64_t{8}), ""));
}

TEST(FilterMatch, CombinesClauses) {
  const struct {
    std::string_view filter, payload;
    bool holds;
  } cases[] = {
      {R"({})", "", true},
      {R"({"must":[{"key":"a","exists":true}],"should":[{"key":"b","exists":true},{"key":"c","exists":true}]})",
       R"({"a":1})", false},
      {R"({"must":[{"key":"a","exists":true}],"should":[{"key":"b","exists":true},{"key":"c","exists":true}]})",
       R"({"a":1,"c":1})", true},
      {R"({"must":[{"key":"a","exists":true}],"should":[]})", R"({"a":1})", true},
      {R"({"must":[{"key":"a","exists":true},{"key":"b","exists":true}]})", R"({"a":1})", false},
      {R"({"must_not":[{"key":"a","exists":true},{"key":"b","exists":true}]})", R"({"b":1})", false},
      {R"({"must_not":[{"key":"a","exists":true}]})", R"({"b":1})", true},
      {R"({"must_not":[{"must":[{"key":"a","exists":true},{"key":"b","exists":true}]}]})", R"({"a":1})", true},
      {R"({"min_should":{"count":2,"conditions":[{"key":"a","exists":true},{"key":"b","exists":true},{"key":"c","exists":true}]}})",
       R"({"a":1,"c":1})", true},
      {R"({"min_should":{"count":2,"conditions":[{"key":"a","exists":true},{"key":"b","exists":true},{"key":"c","exists":true}]}})",
       R"({"a":1})", false},
      {R"({"min_should":{"count":2,"conditions":[{"key":"a","exists":true}]}})", R"({"a":1})", false},
      {R"({"min_should":{"count":2,"conditions":[]}})", R"({"a":1})", true},
  };
  for (const auto& c : cases) {
    const auto filter = parse_filter(read(c.filter), {});
    ASSERT_TRUE(filter) << c.filter << ": " << filter.error().message;
    EXPECT_EQ(filter_matches(*filter, PointId(), c.payload), c.holds) << c.filter << " on " << c.payload;
    if (!c.payload.empty()) {
      EXPECT_EQ(filter_matches(*filter, PointId(), read(c.payload)), c.holds) << c.filter << " on " << c.payload;
    }
  }
}

TEST(FilterMatch, APayloadThatCannotBeReadHasNoKeys) {
  const auto filter = parse_filter(read(R"({"must":[{"key":"a","exists":false}]})"), {});
  ASSERT_TRUE(filter);
  EXPECT_TRUE(filter_matches(*filter, PointId(), std::string_view(R"({"a":1)")));
}

}  // namespace
}  // namespace vectorizer
