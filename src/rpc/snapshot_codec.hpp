#pragma once

#include "vectorizer/base/result.hpp"
#include "vectorizer/peer/snapshots.hpp"
#include "vectorizer/rpc/v1/data.pb.h"

namespace vectorizer::rpc {

namespace wire = vectorizer::rpc::v1;

void encode_snapshot_order(const peer::SnapshotOrder& order, wire::SnapshotRequest& out);
/// Refuses an order of no known kind.
Result<peer::SnapshotOrder> decode_snapshot_order(const wire::SnapshotRequest& in);

void encode_snapshot(const peer::SnapshotInfo& info, wire::SnapshotInfo& out);
/// Refuses a state of no known kind.
Result<peer::SnapshotInfo> decode_snapshot(const wire::SnapshotInfo& in);

}  // namespace vectorizer::rpc
