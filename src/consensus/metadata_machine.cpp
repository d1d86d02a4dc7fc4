#include "metadata_machine.hpp"

#include <utility>

#include "vectorizer/cluster/metadata_command.hpp"

namespace vectorizer::consensus {

Result<Applied> MetadataMachine::apply(std::string_view command) {
  ASSIGN_OR_RETURN(const auto decoded, cluster::decode_command(command));
  auto next = cluster::apply(*current_.get(), decoded);
  if (!next) return Applied(next.error());
  replace(std::move(*next));
  return Applied(current_.get());
}

std::string MetadataMachine::snapshot() {
  return cluster::encode_metadata(*current_.get());
}

Result<void> MetadataMachine::restore(std::string_view snapshot) {
  ASSIGN_OR_RETURN(auto metadata, cluster::decode_metadata(snapshot));
  replace(std::move(metadata));
  return {};
}

void MetadataMachine::replace(cluster::ClusterMetadata metadata) {
  const auto next = std::make_shared<const cluster::ClusterMetadata>(std::move(metadata));
  current_.set(next);
  changed_(next);
}

}  // namespace vectorizer::consensus
