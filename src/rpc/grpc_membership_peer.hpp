#pragma once

#include <functional>

#include "link.hpp"
#include "vectorizer/peer/membership_peer.hpp"
#include "vectorizer/rpc/v1/membership.grpc.pb.h"

namespace vectorizer::rpc {

namespace wire = vectorizer::rpc::v1;

/// A process at an address. Hello and Claim do not say whom they expect there; the other calls do, as far as known.
class GrpcMembershipPeer final : public peer::MembershipPeer {
 public:
  /// @param known who is at the address, asked for each call.
  GrpcMembershipPeer(ClientCore& core, std::string endpoint, std::function<Target()> known)
      : core_(core), line_(core, {NodeId(), std::move(endpoint), 0}), known_(std::move(known)) {}

  Result<peer::Hello> hello(const peer::Hello& self) override;
  Result<peer::Remembered> remembered(const peer::Positions& told) override;
  Result<void> claim(const peer::ClaimRequest& request) override;
  Result<void> join(const peer::Hello& newcomer) override;
  Result<void> you_are_removed(const std::string& cluster_id) override;
  Result<peer::BeatReply> beat(const peer::Beat& beat) override;
  Result<std::uint64_t> propose(const std::string& command) override;
  Result<std::uint64_t> barrier() override;

 private:
  template <typename Function, typename Request, typename Reply>
  Result<void> ask(Method method, Function function, const Request& request, Reply& reply);

  ClientCore& core_;
  Line<wire::MembershipService> line_;
  const std::function<Target()> known_;
};

}  // namespace vectorizer::rpc
