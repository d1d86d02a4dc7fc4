#include "idempotency.hpp"

#include <gtest/gtest.h>

namespace vectorizer::rest {
namespace {

using Verdict = IdempotencyCache::Verdict;
using std::chrono::minutes;

Response answer(int status, std::string body) {
  Response response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

class IdempotencyCacheTest : public testing::Test {
 protected:
  const IdempotencyCache::Clock::time_point start_ = IdempotencyCache::Clock::now();
  const IdempotencyCache::Fingerprint first_{1, 1}, second_{2, 2};
};

TEST_F(IdempotencyCacheTest, RepeatedRequestGetsTheFirstAnswerForItsLifetime) {
  IdempotencyCache cache({});

  ASSERT_EQ(cache.begin("k", first_, start_).verdict, Verdict::kRun);
  cache.finish("k", answer(201, "made"), start_);

  const auto again = cache.begin("k", first_, start_ + minutes(14));
  EXPECT_EQ(again.verdict, Verdict::kReplay);
  EXPECT_EQ(again.response.status, 201);
  EXPECT_EQ(again.response.body, "made");
  EXPECT_EQ(cache.begin("k", first_, start_ + minutes(15)).verdict, Verdict::kRun);
}

TEST_F(IdempotencyCacheTest, SameKeyWithAnotherRequestIsAMismatch) {
  IdempotencyCache cache({});
  static_cast<void>(cache.begin("k", first_, start_));

  EXPECT_EQ(cache.begin("k", second_, start_).verdict, Verdict::kMismatch);
  cache.finish("k", answer(200, ""), start_);
  EXPECT_EQ(cache.begin("k", second_, start_).verdict, Verdict::kMismatch);
}

TEST_F(IdempotencyCacheTest, RunningRequestIsNotRunTwice) {
  IdempotencyCache cache({});
  static_cast<void>(cache.begin("k", first_, start_));

  EXPECT_EQ(cache.begin("k", first_, start_ + minutes(60)).verdict, Verdict::kRunning);
}

TEST_F(IdempotencyCacheTest, IndefiniteOutcomesMayBeTriedAgain) {
  IdempotencyCache cache({});
  for (const int status : {408, 429, 500, 503, 504}) {
    ASSERT_EQ(cache.begin("k", first_, start_).verdict, Verdict::kRun) << status;
    cache.finish("k", answer(status, ""), start_);
  }
  ASSERT_EQ(cache.begin("k", first_, start_).verdict, Verdict::kRun);
  cache.finish("k", answer(404, "absent"), start_);

  EXPECT_EQ(cache.begin("k", first_, start_).verdict, Verdict::kReplay);
}

TEST_F(IdempotencyCacheTest, OldestMakeRoomForNewEntriesAndBytes) {
  IdempotencyCache cache({2, 10, minutes(15)});
  for (const char* key : {"a", "b", "c"}) {
    static_cast<void>(cache.begin(key, first_, start_));
    cache.finish(key, answer(200, "123"), start_);
  }
  EXPECT_EQ(cache.begin("b", first_, start_).verdict, Verdict::kReplay);
  EXPECT_EQ(cache.begin("a", first_, start_).verdict, Verdict::kRun);
  cache.finish("a", answer(200, "12345678"), start_);

  EXPECT_EQ(cache.begin("a", first_, start_).verdict, Verdict::kReplay);
  EXPECT_EQ(cache.begin("b", first_, start_).verdict, Verdict::kRun);
  EXPECT_EQ(cache.begin("c", first_, start_).verdict, Verdict::kRun);
}

TEST_F(IdempotencyCacheTest, FingerprintDependsOnMethodTargetAndBody) {
  Request request;
  request.method = Method::kPost;
  request.body = "{}";
  const auto base = IdempotencyCache::fingerprint(request, "/a");

  EXPECT_EQ(IdempotencyCache::fingerprint(request, "/a"), base);
  EXPECT_NE(IdempotencyCache::fingerprint(request, "/b"), base);
  request.body = "[]";
  EXPECT_NE(IdempotencyCache::fingerprint(request, "/a"), base);
  request.body = "{}";
  request.method = Method::kPut;
  EXPECT_NE(IdempotencyCache::fingerprint(request, "/a"), base);
}

TEST_F(IdempotencyCacheTest, KeysAreShortAndPrintable) {
  EXPECT_TRUE(IdempotencyCache::valid_key("a b-1"));
  EXPECT_TRUE(IdempotencyCache::valid_key(std::string(128, 'x')));
  EXPECT_FALSE(IdempotencyCache::valid_key(""));
  EXPECT_FALSE(IdempotencyCache::valid_key(std::string(129, 'x')));
  EXPECT_FALSE(IdempotencyCache::valid_key("a\tb"));
  EXPECT_FALSE(IdempotencyCache::valid_key("\xc3\xa9"));
}

}  // namespace
}  // namespace vectorizer::rest
