#pragma once

#include "vectorizer/cluster/metadata_command.hpp"

namespace vectorizer::cluster {

// One step per command: changes `next`, a copy of the metadata that is thrown away when the step is refused.

Result<void> step(ClusterMetadata& next, const InitCluster& command);
Result<void> step(ClusterMetadata& next, const UpsertNode& command);
Result<void> step(ClusterMetadata& next, const SetNodeStatus& command);
Result<void> step(ClusterMetadata& next, const RemoveNode& command);
Result<void> step(ClusterMetadata& next, const Formed& command);
Result<void> step(ClusterMetadata& next, const RaiseProtocol& command);

Result<void> step(ClusterMetadata& next, const CreateCollection& command);
Result<void> step(ClusterMetadata& next, const AlterCollection& command);
Result<void> step(ClusterMetadata& next, const DropCollection& command);

Result<void> step(ClusterMetadata& next, const OpenCopy& command);
Result<void> step(ClusterMetadata& next, const Promote& command);
Result<void> step(ClusterMetadata& next, const ShrinkIsr& command);
Result<void> step(ClusterMetadata& next, const GrowIsr& command);
Result<void> step(ClusterMetadata& next, const AllocateCopy& command);
Result<void> step(ClusterMetadata& next, const DropCopy& command);
Result<void> step(ClusterMetadata& next, const BumpIsr& command);
Result<void> step(ClusterMetadata& next, const AllocateStale& command);
Result<void> step(ClusterMetadata& next, const AllocateEmpty& command);

Result<void> step(ClusterMetadata& next, const StartMoves& command);
Result<void> step(ClusterMetadata& next, const CancelMove& command);
Result<void> step(ClusterMetadata& next, const EndMove& command);

}  // namespace vectorizer::cluster
