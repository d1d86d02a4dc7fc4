#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vectorizer/base/clock.hpp"
#include "vectorizer/base/metrics.hpp"
#include "vectorizer/cluster/metadata_log.hpp"
#include "vectorizer/control/identity.hpp"
#include "vectorizer/control/restoring.hpp"
#include "vectorizer/control/server_list.hpp"
#include "vectorizer/peer/byte_stream.hpp"
#include "vectorizer/peer/membership_peer.hpp"

namespace vectorizer::control {

/// How the leader of the metadata moves copies between nodes.
struct ElasticityOptions {
  std::size_t max_moves = 4;              ///< copies that are made at the same time for moves, in the cluster
  std::size_t max_moves_per_node = 2;     ///< of them, those that one node takes part in
  std::chrono::seconds replace_after{0};  ///< a node that is away for so long: its copies are made elsewhere; 0: never
  std::chrono::seconds rebalance_after{0};  ///< after a change of the active nodes; 0: never by itself
};

struct MembershipOptions {
  NodeId self;
  std::string endpoint;  ///< where others reach this node; empty with DNS: it finds itself among the answers
  std::uint16_t rest_port = 0;
  std::string version;
  std::vector<ListedServer> servers;  ///< static discovery
  std::string dns_name;               ///< DNS discovery, when not empty
  std::uint16_t dns_grpc_port = 0;
  /// Asks DNS; injected where a test must decide what it answers.
  std::function<Result<std::vector<std::string>>(const std::string& name)> resolve = resolve_addresses;
  std::uint32_t expected_nodes = 0;  ///< that form the cluster
  std::chrono::seconds resolve_interval{30};
  std::chrono::milliseconds timeout{5000};  ///< of one call, and of a change of metadata
  std::filesystem::path raft_directory;
  ElasticityOptions elasticity;
  bool secured = false;  ///< who calls has proved that it knows the secret: an invitation by it is accepted
  /// What a single node has decided so far; its collections make this node the first of the cluster.
  cluster::ClusterMetadata initial;
  /// This node was restored from a backup; `on_member` is called when it belongs to a cluster again.
  std::optional<RestoredNode> restored;
  std::function<void()> on_member;
  /// Something that only a restart, or an operator, can mend: the process must end and say why.
  std::function<void(const Error&)> on_fatal;
  /// The disk hangs for so long that only the end of the process frees what others wait for.
  std::function<void(std::chrono::milliseconds)> on_hung;
};

/// The node of this process, as its membership sees it.
struct LocalHooks {
  /// What the node tells the leader of itself in each beat.
  std::function<std::vector<peer::CopyStatus>()> copies;
  /// How far the copies on this disk are, asked once before anything else.
  std::function<std::vector<peer::CopyPosition>()> positions;
  /// These copies are behind what the disk had told others of them; called when that shows.
  std::function<void(std::vector<std::uint64_t> copies)> lose = [](auto) {};
  /// For how long the oldest thing that waits for the disk does.
  std::function<std::chrono::milliseconds()> disk_wait;
  /// Waits until the node follows the metadata of `epoch`; false if it does not within `timeout`. A lease is worth
  /// nothing to a node that has not heard who leads what when it was granted.
  std::function<bool(std::uint64_t epoch, std::chrono::milliseconds timeout)> follows;
};

/// What a node knows of another one.
struct MemberContact {
  std::chrono::system_clock::time_point seen;
  std::optional<std::uint64_t> servers_hash;  ///< of its configured list, once the leader has told
};

/// This process as a member of the cluster: it finds the others, forms or joins the cluster, keeps its lease, and,
/// while it leads the metadata, admits members and repairs what failed. docs/membership.md tells the whole story.
///
/// The server side of MembershipPeer answers other nodes. Thread-safe.
class Membership : public peer::MembershipPeer {
 public:
  /// The log of the cluster's metadata; usable at once, empty until the node has joined. Register observers before
  /// start().
  virtual cluster::MetadataLog& metadata() = 0;
  /// Begins to look for the others. @param local called from threads of this class until stop()
  virtual Result<void> start(LocalHooks local) = 0;
  /// Writes what a snapshot of this node needs beside its data into `directory`: the identity and the Raft log.
  virtual Result<void> save(const std::filesystem::path& directory) const = 0;
  /// Before a planned stop: if this node leads the metadata, another one does afterwards.
  virtual void hand_over() = 0;
  /// Ends all threads, the Raft log included. No call of another node may be running. Idempotent.
  virtual void stop() = 0;

  /// Whether this node may acknowledge writes and answer as a primary; ask after the fact.
  virtual bool lease_valid() const = 0;
  /// What is missing before this node serves everything, one line each; empty when nothing is.
  virtual std::vector<std::string> problems() const = 0;
  /// Servers that are configured and have not joined yet.
  virtual std::vector<ListedServer> missing() const = 0;
  /// What is known of the members beside the metadata; a node that nobody has heard of since this one started is
  /// absent.
  virtual std::map<NodeId, MemberContact> contacts() const = 0;
  /// Asks whoever is at `endpoint` who it is. Blocks for as long as a call may.
  virtual Result<peer::Hello> greet(const std::string& endpoint) = 0;
  /// Asks a member now who it is and what it holds of the metadata. Blocks for as long as a call may.
  virtual Result<peer::Hello> ask(const NodeId& node) = 0;
  /// Of the metadata's log; 0 before there is one.
  virtual std::uint64_t term() const = 0;
  /// Of the configured list of this node.
  virtual std::uint64_t servers_hash() const = 0;
  /// A stream of the Raft log that another member opened; runs on the calling thread until it ends.
  virtual Result<void> serve_raft(const peer::StreamRoute& route, peer::ByteStream& stream) = 0;
};

/// @param identity, peers, streams, metrics outlive it.
/// @param on_endpoint called whenever a process is found at a new endpoint, so that calls to it go there.
std::unique_ptr<Membership> make_membership(
    MembershipOptions options, IdentityFile& identity, peer::MembershipDirectory& peers, peer::StreamConnector& streams,
    MetricsRegistry& metrics,
    std::function<void(const NodeId& node, std::uint64_t raft_id, const std::string& endpoint)> on_endpoint);

}  // namespace vectorizer::control
