#include "reachability.hpp"

#include <algorithm>
#include <utility>

namespace vectorizer::control {

void Reachability::start() {
  thread_.start(kInterval, [this](const std::stop_token&) { round(); });
}

void Reachability::stop() {
  thread_.stop();
  wait();
}

void Reachability::wait() {
  std::vector<std::future<void>> questions;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [node, member] : seen_) {
      if (member.question.valid()) questions.push_back(std::move(member.question));
    }
  }
  for (auto& question : questions) question.wait();
}

void Reachability::round() {
  const auto members = members_();
  const std::lock_guard lock(mutex_);
  const auto busy = [](const Member& member) {
    return member.question.valid() && member.question.wait_for(std::chrono::seconds(0)) != std::future_status::ready;
  };
  std::erase_if(seen_, [&](const auto& item) {
    return !busy(item.second) && std::find(members.begin(), members.end(), item.first) == members.end();
  });
  for (const auto& node : members) {
    auto& member = seen_[node];
    if (member.answered == BootTime(0)) member.answered = clock_();
    if (busy(member)) continue;
    member.question = std::async(std::launch::async, [this, node] {
      if (!ask_(node)) return;
      const std::lock_guard answered(mutex_);
      seen_[node].answered = clock_();
    });
  }
}

std::vector<NodeId> Reachability::unreachable() const {
  const std::lock_guard lock(mutex_);
  const auto now = clock_();
  std::vector<NodeId> nodes;
  for (const auto& [node, member] : seen_) {
    if (now - member.answered > kUnreachableAfter) nodes.push_back(node);
  }
  return nodes;
}

}  // namespace vectorizer::control
