#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "forming.hpp"
#include "member_state.hpp"
#include "vectorizer/base/periodic.hpp"

namespace vectorizer::control {

/// Looks for the other servers: until the node is a member, to form or join a cluster; later, to find members that have
/// another address now. Names are resolved again and again; an answer of DNS never removes anybody.
class Discovery {
 public:
  /// Opens the Raft log of this node and attaches it; with `initial`, as the first voter of a new cluster.
  using OpenLog = std::function<Result<void>(std::optional<cluster::ClusterMetadata> initial)>;

  /// @param join_here what this node does with a newcomer when it leads the metadata: also with itself
  Discovery(MemberState& state, OpenLog open_log, std::function<Result<void>(const peer::Hello&)> join_here)
      : state_(state), open_log_(std::move(open_log)), join_here_(std::move(join_here)) {}

  void start();
  void stop() { thread_.stop(); }
  void poke() { thread_.poke(); }
  /// A member of a cluster to which this node was added: it is asked like a configured server.
  void invited_by(const ListedServer& member);
  /// The servers of the configuration, or of DNS as it answers now.
  std::vector<ListedServer> known_servers() const;
  /// Configured servers that did not answer the last time, or that are no members yet.
  std::vector<ListedServer> missing() const;

 private:
  void round(const std::stop_token& stop);
  void leave();
  std::vector<ListedServer> servers();
  std::vector<Greeting> greet(const std::vector<ListedServer>& servers, const std::stop_token& stop);
  void remember(const std::vector<Greeting>& greetings);
  /// Says once that a configured server is a member of another cluster.
  void refuse(const Identity& self, const peer::Hello& stranger, const Greeting& greeting);
  void form_or_join(const std::vector<ListedServer>& servers, const std::vector<Greeting>& greetings);
  Result<void> form(const std::vector<ListedServer>& servers, const std::vector<Greeting>& greetings);
  Result<void> become_member();
  Result<void> begin_to_join(const std::string& cluster_id);
  void ask_to_be_admitted(const std::vector<Greeting>& greetings, bool lost);
  bool admitted() const;

  MemberState& state_;
  const OpenLog open_log_;
  const std::function<Result<void>(const peer::Hello&)> join_here_;
  std::vector<ListedServer> from_dns_;  // the last answer that was not empty
  BootTime resolved_at_{0};
  BootTime greeted_at_{0};
  std::string last_reason_;
  std::set<std::string> refused_;  // strangers that were named; a list of servers bounds it
  mutable std::mutex mutex_;
  std::vector<ListedServer> missing_;       // guarded by mutex_
  std::optional<ListedServer> invited_by_;  // likewise
  Periodic thread_;
};

}  // namespace vectorizer::control
