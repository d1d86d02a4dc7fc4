#include "http.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "url.hpp"

namespace vectorizer::rest {
namespace {

using nlohmann::json;

std::string header(const Response& response, std::string_view name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return {};
}

TEST(ErrorResponse, HasTheOneShape) {
  const auto response = error_response(
      Error{ErrorType::kDimensionMismatch, "3 floats, not 512"}.with("expected", 512).with("actual", 3), "req-1");

  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(json::parse(response.body), json({{"error_type", "dimension_mismatch"},
                                              {"message", "3 floats, not 512"},
                                              {"details", {{"expected", 512}, {"actual", 3}}},
                                              {"status_code", 400},
                                              {"request_id", "req-1"}}));
}

TEST(ErrorResponse, DetailsAreAlwaysAnObject) {
  EXPECT_EQ(json::parse(error_response(Error{ErrorType::kNotFound, "x"}, "r").body)["details"], json::object());
}

TEST(ErrorResponse, SaysWhenToRetryFor429And503Only) {
  EXPECT_EQ(header(error_response(Error{ErrorType::kOverloaded, "x"}, "r"), "Retry-After"), "1");
  EXPECT_EQ(header(error_response(Error{ErrorType::kShardUnavailable, "x"}, "r"), "Retry-After"), "1");
  EXPECT_EQ(header(error_response(Error{ErrorType::kTimeout, "x"}, "r"), "Retry-After"), "");
}

TEST(ErrorResponse, KeepsTheCauseOfAnInternalErrorToTheLog) {
  const auto response = error_response(Error{ErrorType::kInternal, "secret path"}.with("file", "secret path"), "req-9");

  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(response.body.find("secret"), std::string::npos);
  EXPECT_EQ(json::parse(response.body)["request_id"], "req-9");
}

TEST(ErrorResponse, IsJsonEvenWhenTheMessageIsNotUtf8) {
  const auto response = error_response(Error{ErrorType::kNotFound, "no \xff\"\n"}.with("id", "\xc3"), "r");

  EXPECT_EQ(json::parse(response.body)["message"], "no ?\"\n");
  EXPECT_EQ(json::parse(response.body)["details"]["id"], "?");
}

TEST(Request, QueryValueIsTheFirstOfItsName) {
  Request request;
  request.query = {{"a", "1"}, {"b", ""}, {"a", "2"}};

  EXPECT_EQ(request.query_value("a"), "1");
  EXPECT_EQ(request.query_value("b"), "");
  EXPECT_EQ(request.query_value("c"), std::nullopt);
}

TEST(ParseQuery, DecodesNamesAndValues) {
  const auto query = parse_query("a=1&b=x%20y+z&c&=d&&e=f=g");

  ASSERT_TRUE(query);
  EXPECT_EQ(*query, (std::vector<std::pair<std::string, std::string>>{
                        {"a", "1"}, {"b", "x y z"}, {"c", ""}, {"", "d"}, {"e", "f=g"}}));
  EXPECT_FALSE(parse_query("a=%G0"));
}

TEST(PercentDecode, DecodesBothCasesAndRefusesTheRest) {
  EXPECT_EQ(percent_decode("%c3%A9+"), "\xc3\xa9+");
  EXPECT_EQ(percent_decode("%00"), std::string(1, '\0'));
  EXPECT_EQ(percent_decode("a%2"), std::nullopt);
}

TEST(PrintablePath, IsShortAndAscii) {
  EXPECT_EQ(printable_path("/a b\xff"), "/a%20b%FF");
  EXPECT_LT(printable_path(std::string(10000, 'x')).size(), 300U);
}

}  // namespace
}  // namespace vectorizer::rest
