#pragma once

#include <future>
#include <map>
#include <set>
#include <string>

#include "member_state.hpp"
#include "move_plan.hpp"
#include "repair_plan.hpp"
#include "vectorizer/base/periodic.hpp"

namespace vectorizer::control {

/// What a node does while it leads the metadata: it watches the others, and proposes what RepairPlan and MovePlan say;
/// it invites those that were added and admits those that join to the Raft group, removes what was replaced or has
/// left, tells it so, and declares the cluster formed. All of it follows
/// from the metadata and can be repeated, so that a leader that dies in the middle leaves nothing half done.
class Supervisor {
 public:
  explicit Supervisor(MemberState& state);

  void start();
  void stop();
  void poke() { repairs_.poke(); }

 private:
  void repair_round();
  void admission_round();
  /// The log, if this node leads it now.
  std::shared_ptr<consensus::RaftMetadataLog> leading() const;
  Observations observe(const cluster::ClusterMetadata& metadata) const;
  void propose(const cluster::MetadataCommand& command);
  Result<void> admit(consensus::RaftMetadataLog& raft, const cluster::ClusterMetadata& metadata,
                     const cluster::NodeRecord& node);
  Result<void> expel_strangers(consensus::RaftMetadataLog& raft, const cluster::ClusterMetadata& metadata);
  bool majority_without(consensus::RaftMetadataLog& raft, const cluster::ClusterMetadata& metadata,
                        std::uint64_t raft_id) const;
  void declare_formed(const cluster::ClusterMetadata& metadata);
  /// What every member knows is spoken.
  void raise_protocol(const cluster::ClusterMetadata& metadata);
  void plan_round(consensus::RaftMetadataLog& raft, const cluster::ClusterMetadata& metadata);
  void rebalance(const cluster::ClusterMetadata& metadata);
  void invite(const cluster::NodeRecord& node);
  std::string reason_not_to_join(const cluster::NodeRecord& node, const std::string& endpoint,
                                 const Result<peer::Hello>& answer) const;
  void dismiss(const cluster::ClusterMetadata& metadata, const cluster::NodeRecord& node);

  MemberState& state_;
  RepairPlan plan_;             // by the thread of repairs_
  MovePlan moves_;              // likewise
  RebalanceTrigger trigger_;    // likewise
  std::uint64_t led_term_ = 0;  // likewise: the term in which this node last began to lead
  std::string last_problem_;    // by the thread of admissions_
  struct Invitation {
    BootTime last{0};
    std::future<Result<peer::Hello>> answer;
  };
  struct Dismissal {
    BootTime last{0};
    int made = 0;
    bool answered = false;
    std::future<Result<void>> answer;
  };
  std::map<NodeId, Invitation> invitations_;       // likewise
  std::map<std::uint64_t, Dismissal> dismissals_;  // likewise, by raft id
  Periodic repairs_, admissions_;
};

/// Voters of a cluster of n members: all up to three, then the largest odd number up to five; the others stand by.
std::size_t wanted_voters(std::size_t members);

}  // namespace vectorizer::control
