#pragma once

#include <memory>
#include <stop_token>

#include "link.hpp"
#include "vectorizer/peer/byte_stream.hpp"

namespace vectorizer::rpc {

/// Opens a Raft stream over a connection of its own and waits until the other side has accepted it: for
/// options.connect_timeout to connect and as long again to be accepted, sooner once `stop` is requested.
Result<std::unique_ptr<peer::ByteStream>> open_raft_stream(ClientCore& core, const Target& target,
                                                           const peer::StreamRoute& route, const std::stop_token& stop);

}  // namespace vectorizer::rpc
