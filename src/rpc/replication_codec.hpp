#pragma once

#include "vectorizer/base/result.hpp"
#include "vectorizer/peer/replication_peer.hpp"
#include "vectorizer/rpc/v1/replication.pb.h"

namespace vectorizer::rpc {

namespace wire = vectorizer::rpc::v1;

/// Takes the request: its entries are moved, not copied.
void encode_replicate(peer::ReplicateRequest request, wire::ReplicateRequest& out);
/// Takes what `in` holds.
peer::ReplicateRequest decode_replicate(wire::ReplicateRequest& in);
void encode_replicate_reply(const peer::ReplicateReply& reply, wire::ReplicateReply& out);
Result<peer::ReplicateReply> decode_replicate_reply(const wire::ReplicateReply& in);

void encode_header(const peer::CheckpointHeader& header, wire::CheckpointHeader& out);
peer::CheckpointHeader decode_header(const wire::CheckpointHeader& in);

}  // namespace vectorizer::rpc
