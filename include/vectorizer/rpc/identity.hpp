#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "vectorizer/model/collection_config.hpp"

namespace vectorizer::rpc {

/// Who this process is, as every call between nodes says and checks.
struct Identity {
  std::string cluster_id;  ///< empty until it belongs to one
  NodeId node;
  std::uint64_t raft_id = 0;
};

/// Asked for each call, because a process gets its cluster id while it runs. Thread-safe and quick.
using IdentitySource = std::function<Identity()>;

}  // namespace vectorizer::rpc
