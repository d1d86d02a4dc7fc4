#include "router.hpp"

#include <gtest/gtest.h>

namespace vectorizer::rest {
namespace {

Route route(Method method, std::string pattern) {
  return {method, std::move(pattern), RunOn::kIoThread, [](const Request&) { return Response{}; }};
}

class RouterTest : public testing::Test {
 protected:
  /// The pattern that `path` finds, or the error's type.
  std::string find(Method method, std::string_view path) {
    const auto found = router_.match(method, path, params_);
    if (!found) return std::string(error_type_name(found.error().type));
    return router_.routes()[*found].pattern;
  }

  Router router_{{route(Method::kGet, "/"), route(Method::kGet, "/health"), route(Method::kPost, "/collections"),
                  route(Method::kGet, "/collections/{name}"), route(Method::kDelete, "/collections/{name}"),
                  route(Method::kGet, "/collections/{name}/vectors/{id}"),
                  route(Method::kPost, "/collections/{name}/vectors/count")}};
  std::vector<std::string> params_;
};

TEST_F(RouterTest, FindsLiteralsAndPlaceholders) {
  EXPECT_EQ(find(Method::kGet, "/"), "/");
  EXPECT_EQ(find(Method::kGet, "/health"), "/health");
  EXPECT_EQ(find(Method::kGet, "/collections/docs/vectors/7"), "/collections/{name}/vectors/{id}");
  EXPECT_EQ(params_, (std::vector<std::string>{"docs", "7"}));
}

TEST_F(RouterTest, LiteralBeatsPlaceholderWhereItHasTheMethod) {
  EXPECT_EQ(find(Method::kPost, "/collections/docs/vectors/count"), "/collections/{name}/vectors/count");
  EXPECT_EQ(find(Method::kGet, "/collections/docs/vectors/count"), "/collections/{name}/vectors/{id}");
  EXPECT_EQ(params_, (std::vector<std::string>{"docs", "count"}));
}

TEST_F(RouterTest, DecodesEachSegmentOnce) {
  EXPECT_EQ(find(Method::kGet, "/collections/a%2Fb/vectors/%2525"), "/collections/{name}/vectors/{id}");
  EXPECT_EQ(params_, (std::vector<std::string>{"a/b", "%25"}));
}

TEST_F(RouterTest, RefusesABrokenEscape) {
  for (const char* path : {"/collections/%", "/collections/%4", "/collections/%zz"}) {
    EXPECT_EQ(find(Method::kGet, path), "validation_error") << path;
  }
}

TEST_F(RouterTest, IgnoresOneTrailingSlash) {
  EXPECT_EQ(find(Method::kGet, "/health/"), "/health");
  EXPECT_EQ(find(Method::kGet, "/health//"), "not_found");
  EXPECT_EQ(find(Method::kGet, "/collections/docs/vectors/"), "not_found");
}

TEST_F(RouterTest, HeadFindsTheRouteOfGet) {
  EXPECT_EQ(find(Method::kHead, "/health"), "/health");
  EXPECT_EQ(find(Method::kHead, "/collections"), "method_not_allowed");
}

TEST_F(RouterTest, UnknownPathIsNamed) {
  const auto found = router_.match(Method::kGet, "/colections/docs", params_);

  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().type, ErrorType::kNotFound);
  EXPECT_NE(found.error().message.find("/colections/docs"), std::string::npos);
}

TEST_F(RouterTest, WrongMethodIsToldTheRightOnes) {
  const auto found = router_.match(Method::kPut, "/collections/docs", params_);

  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().type, ErrorType::kMethodNotAllowed);
  EXPECT_EQ(found.error().details, R"({"allowed":["GET","HEAD","DELETE"]})");
  EXPECT_EQ(router_.allowed("/collections/docs/vectors/count"),
            (std::vector<Method>{Method::kGet, Method::kHead, Method::kPost}));
}

TEST_F(RouterTest, SurvivesAPathOfManySegments) {
  std::string path;
  for (int i = 0; i < 5000; ++i) path += "/x";

  EXPECT_EQ(find(Method::kGet, path), "not_found");
}

}  // namespace
}  // namespace vectorizer::rest
