#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "vectorizer/base/result.hpp"
#include "vectorizer/peer/membership_peer.hpp"

namespace vectorizer::control {

/// One server of the list and what it said to our hello.
struct Greeting {
  std::string name;  ///< as the list calls it; its endpoint where the list has no names
  std::string endpoint;
  std::optional<peer::Hello> answer;  ///< nothing: it did not answer
  std::string problem;                ///< why not
  bool refused = false;               ///< not for want of a connection: one of us takes the other for a stranger
};

/// What a node that belongs to no cluster does next.
struct FormingStep {
  enum class Kind : std::uint8_t { kWait, kJoin, kForm };
  Kind kind = Kind::kWait;
  std::string reason;           ///< kWait: for whom or what, for the log, /health/ready and the answers to writes
  std::string join_endpoint;    ///< kJoin: a member
  std::string join_cluster_id;  ///< kJoin
};

/// The decision of docs/membership.md, a pure function of what the listed servers say.
///
/// A cluster is formed once, by one node: the one that holds data of a single node, else the first of the list; and
/// only when every listed server answered, none of them belongs to a cluster, and all have the same list. Whoever meets
/// a member joins it instead. So a wiped node, or a new one that starts while the others are down, waits and never
/// forms a second cluster.
///
/// @param self as it would answer a hello
/// @param greetings of every listed server, itself included, in the order of the list, which is the same on every node;
///        with DNS of every address found
/// @param expected number of nodes that form the cluster: the length of the list; with DNS as configured
FormingStep next_forming_step(const peer::Hello& self, const std::vector<Greeting>& greetings, std::size_t expected);

/// Whether a virgin or claimed node may promise itself to `request`; else why not. The promise must be on disk before
/// it is given.
Result<void> check_claim(const peer::Hello& self, const peer::ClaimRequest& request);

}  // namespace vectorizer::control
