#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "vectorizer/model/collection_config.hpp"
#include "vectorizer/shard/shard.hpp"

namespace vectorizer::node {

/// Background threads that index, compact and save. Every shard is visited in turn; where threads meet at one, the
/// second helps the first, so that one shard that is filled has all of them. A thread sleeps while no shard has work,
/// and looks again when a write pokes it or a second has passed.
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
  /// The next shard in turn; null when there is none.
  std::shared_ptr<shard::Shard> take();

  const std::function<std::shared_ptr<const Shards>()> shards_;
  std::mutex mutex_;
  std::condition_variable wake_;  // poked, or stopping
  ShardId last_;                  // the turn
  std::uint64_t pokes_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace vectorizer::node
