#include "graph_gate.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <optional>
#include <thread>

namespace vectorizer::index {
namespace {

TEST(GraphGate, AnInserterThatWaitsForALongWalkHoldsNoOtherWalkUp) {
  GraphGate gate;
  std::optional<GraphGate::Walk> long_walk(gate);
  EXPECT_FALSE(long_walk->locking());
  std::promise<void> inserted;
  std::thread inserter([&] {
    const GraphGate::Inserting inserting(gate);
    const GraphGate::Node node(gate);
    inserted.set_value();
  });
  while (!gate.inserting()) std::this_thread::yield();
  {
    const GraphGate::Walk walk(gate);  // would wait here for ever if the inserter kept walks out
    EXPECT_TRUE(walk.locking());
    EXPECT_EQ(inserted.get_future().wait_for(std::chrono::seconds(0)), std::future_status::timeout)
        << "it must not insert beside a walk that does not lock nodes";
  }
  long_walk.reset();
  inserter.join();
}

TEST(GraphGate, NoSliceAfterTheFirstWaitsForWalksUntilItRests) {
  GraphGate gate;
  { const GraphGate::Inserting first(gate); }
  const GraphGate::Walk walk(gate);
  EXPECT_TRUE(walk.locking());
  { const GraphGate::Inserting second(gate); }
  gate.rest();
  const GraphGate::Walk plain(gate);
  EXPECT_FALSE(plain.locking());
}

TEST(GraphGate, RestsOnlyWhenNobodyInserts) {
  GraphGate gate;
  const GraphGate::Inserting inserting(gate);
  gate.rest();
  const GraphGate::Walk walk(gate);
  EXPECT_TRUE(walk.locking());
}

TEST(GraphGate, PausedInsertsDoNotKeepWalksOut) {
  GraphGate gate;
  auto paused = gate.pause_inserts();
  std::atomic<bool> inserted{false};
  std::thread inserter([&] {
    const GraphGate::Inserting inserting(gate);
    const GraphGate::Node node(gate);
    inserted = true;
  });
  while (!gate.inserting()) std::this_thread::yield();
  { const GraphGate::Walk walk(gate); }
  EXPECT_FALSE(inserted);
  paused.unlock();
  inserter.join();
  EXPECT_TRUE(inserted);
}

}  // namespace
}  // namespace vectorizer::index
