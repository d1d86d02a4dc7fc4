#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "vectorizer/model/collection_config.hpp"
#include "vectorizer/shard/shard.hpp"

namespace vectorizer::node {

/// Background threads that index, compact and save. Every shard is visited in turn, one thread at a time per shard.
/// A thread sleeps while no shard has work, and looks again when a write pokes it or a second has passed.
class Maintenance {
 public:
  using Shards = std::map<ShardId, std::shared_ptr<shard::Shard>>;

  Maintenance(std::size_t threads, std::function<std::shared_ptr<const Shards>()> shards);
  ~Maintenance() { stop(); }

  /// There may be work now.
  void poke();
  void stop();

 private:
  void run();
  /// The next shard in turn that no thread holds, or null; marks it as held.
  std::shared_ptr<shard::Shard> take(ShardId& id);

  const std::function<std::shared_ptr<const Shards>()> shards_;
  std::mutex mutex_;
  std::condition_variable wake_;  // poked, or stopping
  std::set<ShardId> held_;
  ShardId last_;  // the turn
  std::uint64_t pokes_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace vectorizer::node
