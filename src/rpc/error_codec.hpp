#pragma once

#include <grpcpp/support/status.h>

#include <optional>

#include "vectorizer/base/result.hpp"
#include "vectorizer/rpc/v1/common.pb.h"

namespace vectorizer::rpc {

namespace wire = vectorizer::rpc::v1;

/// Lossless: decode_error(encode_error(e)) equals e.
void encode_error(const Error& error, wire::Error& out);
Error decode_error(const wire::Error& in);

/// A status that says that the call was turned away before anyone acted on it, and why.
grpc::Status refusal(grpc::StatusCode code, const Error& error);
/// The error inside a status made by refusal(); nothing for a status of gRPC's own.
std::optional<Error> refusal_of(const grpc::Status& status);

/// Sets `reply.error` or hands the value to `encode`.
template <typename T, typename Reply, typename Encode>
void encode_result(Result<T> result, Reply& reply, const Encode& encode) {
  if (result) {
    encode(std::move(*result));
  } else {
    encode_error(result.error(), *reply.mutable_error());
  }
}

}  // namespace vectorizer::rpc
