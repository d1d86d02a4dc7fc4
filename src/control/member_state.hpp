#pragma once

#include <functional>
#include <string>

#include "address_book.hpp"
#include "cluster_log.hpp"
#include "contacts.hpp"
#include "liveness.hpp"
#include "vectorizer/control/identity.hpp"
#include "vectorizer/control/lease.hpp"
#include "vectorizer/control/membership.hpp"

namespace vectorizer::control {

/// What the parts of one membership share; each part synchronises itself.
struct MemberState {
  MemberState(MembershipOptions member_options, IdentityFile& identity_file, peer::MembershipDirectory& directory,
              AddressBook::OnChange on_endpoint)
      : options(std::move(member_options)),
        identity(identity_file),
        peers(directory),
        book(std::move(on_endpoint)),
        log(book, directory, options.timeout) {}

  /// What this process answers to a hello; what it holds of the metadata is for its own cluster only.
  peer::Hello hello() const;
  /// Adds the epoch and the digest of the metadata.
  void describe_metadata(peer::Hello& hello) const;
  /// Where others reach it; with DNS not known before it has met itself.
  std::string endpoint() const;
  void found_itself_at(const std::string& endpoint);

  const MembershipOptions options;
  IdentityFile& identity;
  peer::MembershipDirectory& peers;
  AddressBook book;
  ClusterLog log;
  Lease lease;
  Liveness liveness;  ///< means something only while this node leads the metadata
  Contacts contacts;
  std::atomic<std::uint64_t> servers_hash{0};
  const BootTime started = boot_now();

 private:
  mutable std::mutex mutex_;
  std::string met_itself_at_;  // guarded by mutex_
};

}  // namespace vectorizer::control
