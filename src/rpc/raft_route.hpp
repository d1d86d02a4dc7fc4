#pragma once

#include "call_header.hpp"
#include "vectorizer/peer/byte_stream.hpp"

namespace vectorizer::rpc {

/// The route of a Raft stream, as metadata beside the header of the call.
void write_route(const peer::StreamRoute& route, grpc::ClientContext& context);
peer::StreamRoute read_route(const grpc::ServerContextBase& context);

}  // namespace vectorizer::rpc
