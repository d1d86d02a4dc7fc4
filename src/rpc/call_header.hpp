#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/server_context.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "methods.hpp"
#include "vectorizer/rpc/identity.hpp"

namespace vectorizer::rpc {

/// Who calls whom, as metadata of every call. What the caller does not know of the receiver is empty or 0, and is not
/// checked: a process that is only known by its address.
struct CallHeader {
  std::string cluster;
  std::string from;
  std::uint64_t from_raft = 0;
  std::string to;
  std::uint64_t to_raft = 0;

  void write(grpc::ClientContext& context) const;
  static CallHeader read(const grpc::ServerContextBase& context);
  /// Unambiguous bytes of all of it and the method, for a proof of the secret.
  std::string proven_bytes(Method method) const;
};

/// The value of one key of the metadata; nothing when it is not there.
std::optional<std::string> metadata_of(const grpc::ServerContextBase& context, const char* key);

}  // namespace vectorizer::rpc
