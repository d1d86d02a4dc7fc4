#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "vectorizer/base/result.hpp"
#include "vectorizer/cluster/cluster_metadata.hpp"
#include "vectorizer/cluster/metadata_command.hpp"

namespace vectorizer::cluster {

/// Agreement on metadata commands: one order of them in the whole cluster, durable once `propose` has returned.
/// Thread-safe.
class MetadataLog {
 public:
  using Observer = std::function<void(const std::shared_ptr<const ClusterMetadata>&)>;

  virtual ~MetadataLog() = default;

  /// Applies `command` on top of all earlier ones, or says why it is refused. When it returns, `current()` on this node
  /// contains it and the observers on this node have seen it.
  virtual Result<std::shared_ptr<const ClusterMetadata>> propose(const MetadataCommand& command) = 0;
  virtual std::shared_ptr<const ClusterMetadata> current() const = 0;
  /// Passes once current() contains everything that was decided before the call: a linearizable read. kNoLeader or
  /// kTimeout where nobody can say.
  virtual Result<void> catch_up() { return {}; }
  /// Who decides the order now; an empty id when nobody does.
  virtual NodeId leader() const = 0;
  /// Calls `observer` with the current value and with each later one, in order of epochs, without any lock of this
  /// class: an observer may propose. Register before the log is shared between threads.
  virtual void observe(Observer observer) = 0;
};

}  // namespace vectorizer::cluster
