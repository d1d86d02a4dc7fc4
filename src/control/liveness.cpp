#include "liveness.hpp"

#include <algorithm>

#include "vectorizer/control/lease.hpp"

namespace vectorizer::control {

void Liveness::elected() {
  const std::lock_guard lock(mutex_);
  elected_ = clock_();
  heard_.clear();
}

void Liveness::granted(const peer::Beat& beat) {
  const std::lock_guard lock(mutex_);
  heard_[beat.node] = {beat, clock_()};
}

bool Liveness::unreachable(const NodeId& node, std::size_t members) const {
  const std::lock_guard lock(mutex_);
  const auto now = clock_();
  const auto reporters = std::count_if(heard_.begin(), heard_.end(), [&](const auto& item) {
    const auto& [reporter, heard] = item;
    const auto& reported = heard.beat.unreachable;
    return reporter != node && now - heard.at <= kLease &&
           std::find(reported.begin(), reported.end(), node) != reported.end();
  });
  return static_cast<std::size_t>(reporters) * 2 > members;
}

BootTime Liveness::since(const NodeId& node) const {
  const auto found = heard_.find(node);
  return found == heard_.end() ? elected_ : std::max(elected_, found->second.at);
}

bool Liveness::dead(const NodeId& node) const {
  return silence(node) > kLease;
}

BootTime Liveness::silence(const NodeId& node) const {
  const std::lock_guard lock(mutex_);
  return clock_() - since(node);
}

std::optional<peer::Beat> Liveness::last(const NodeId& node) const {
  const std::lock_guard lock(mutex_);
  const auto found = heard_.find(node);
  if (found == heard_.end()) return std::nullopt;
  return found->second.beat;
}

BootTime Liveness::leading_for() const {
  const std::lock_guard lock(mutex_);
  return clock_() - elected_;
}

}  // namespace vectorizer::control
