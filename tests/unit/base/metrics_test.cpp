#include "vectorizer/base/metrics.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace vectorizer {
namespace {

TEST(MetricsRegistry, ASharedSeriesLeavesWithItsLastHolder) {
  MetricsRegistry registry;
  auto first = registry.shared_counter("writes_total", "Writes.", {{"collection", "docs"}});
  auto second = registry.shared_counter("writes_total", "Writes.", {{"collection", "docs"}});
  auto other = registry.shared_counter("writes_total", "Writes.", {{"collection", "other"}});
  first->Increment();
  second->Increment();
  EXPECT_NE(registry.expose().find(R"(writes_total{collection="docs"} 2)"), std::string::npos) << registry.expose();

  first.reset();
  EXPECT_NE(registry.expose().find("docs"), std::string::npos);
  second.reset();
  EXPECT_EQ(registry.expose().find("docs"), std::string::npos);
  EXPECT_NE(registry.expose().find("other"), std::string::npos);

  auto again = registry.shared_counter("writes_total", "Writes.", {{"collection", "docs"}});
  EXPECT_EQ(again->Value(), 0);
}

TEST(MetricsRegistry, HoldersComeAndGoOnManyThreads) {
  MetricsRegistry registry;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 500; ++k) {
        registry.shared_histogram("seconds", "Time.", latency_buckets(), {{"collection", "docs"}})->Observe(1);
      }
    });
  }
  for (auto& thread : threads) thread.join();

  EXPECT_EQ(registry.expose().find("docs"), std::string::npos);
}

TEST(MetricsRegistry, HooksRunBeforeEachExposition) {
  MetricsRegistry registry;
  auto held = registry.shared_counter("writes_total", "Writes.", {{"collection", "docs"}});
  registry.before_exposition([&] { held.reset(); });

  EXPECT_EQ(registry.expose().find("docs"), std::string::npos);
}

}  // namespace
}  // namespace vectorizer
