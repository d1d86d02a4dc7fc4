#pragma once

namespace vectorizer::rpc {

/// gRPC writes its log to stderr in a form of its own; from the first call on it goes to ours, at debug: what matters
/// of it reaches callers as errors.
void send_grpc_log_to_ours();

}  // namespace vectorizer::rpc
