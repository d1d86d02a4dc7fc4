#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "raft_node.hpp"
#include "vectorizer/base/published.hpp"
#include "vectorizer/cluster/cluster_metadata.hpp"

namespace vectorizer::consensus {

/// The metadata as what the log is applied to. Its snapshot is the stored form of the metadata.
class MetadataMachine final : public StateMachine {
 public:
  using Changed = std::function<void(const std::shared_ptr<const cluster::ClusterMetadata>&)>;

  explicit MetadataMachine(Changed changed)
      : current_(std::make_shared<const cluster::ClusterMetadata>()), changed_(std::move(changed)) {}

  Result<Applied> apply(std::string_view command) override;
  std::string snapshot() override;
  Result<void> restore(std::string_view snapshot) override;
  /// Any thread.
  std::shared_ptr<const cluster::ClusterMetadata> current() const { return current_.get(); }

 private:
  void replace(cluster::ClusterMetadata metadata);

  Published<cluster::ClusterMetadata> current_;
  const Changed changed_;
};

}  // namespace vectorizer::consensus
