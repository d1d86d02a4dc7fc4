#include "contacts.hpp"

#include <algorithm>

namespace vectorizer::control {

void Contacts::met(const NodeId& node, BootTime now) {
  const std::lock_guard lock(mutex_);
  auto& contact = contacts_[node];
  contact.at = std::max(contact.at, now);
}

void Contacts::learn(const peer::BeatReply& reply, BootTime now) {
  const std::lock_guard lock(mutex_);
  for (const auto& heard : reply.heard) {
    auto& contact = contacts_[heard.node];
    contact.at = std::max(contact.at, now - heard.silence);
    contact.servers_hash = heard.servers_hash;
  }
}

std::map<NodeId, Contacts::Contact> Contacts::all() const {
  const std::lock_guard lock(mutex_);
  return contacts_;
}

}  // namespace vectorizer::control
