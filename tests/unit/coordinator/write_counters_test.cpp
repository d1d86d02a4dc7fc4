#include "write_counters.hpp"

#include <gtest/gtest.h>

namespace vectorizer::coordinator {
namespace {

TEST(WriteCounters, TheSeriesOfADroppedCollectionGo) {
  MetricsRegistry registry;
  WriteCounters counters(registry);
  counters.inserts("docs", 3);
  counters.inserts("docs", 4);
  counters.deletes("docs", 1);
  counters.inserts("dropped", 1);
  counters.deletes("dropped", 1);
  cluster::ClusterMetadata metadata;
  metadata.collections["docs"];

  counters.forget_dropped(metadata);

  const auto text = registry.expose();
  EXPECT_NE(text.find(R"(vectorizer_inserts_total{collection="docs"} 7)"), std::string::npos) << text;
  EXPECT_NE(text.find(R"(vectorizer_deletes_total{collection="docs"} 1)"), std::string::npos) << text;
  EXPECT_EQ(text.find("dropped"), std::string::npos) << text;
}

}  // namespace
}  // namespace vectorizer::coordinator
