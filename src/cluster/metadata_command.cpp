#include "vectorizer/cluster/metadata_command.hpp"

#include "apply_steps.hpp"

namespace vectorizer::cluster {

Result<ClusterMetadata> apply(const ClusterMetadata& metadata, const MetadataCommand& command) {
  ClusterMetadata next = metadata;
  RETURN_IF_ERROR(std::visit([&](const auto& concrete) { return step(next, concrete); }, command));
  next.epoch = metadata.epoch + 1;
  return next;
}

}  // namespace vectorizer::cluster
