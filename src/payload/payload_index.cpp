#include "vectorizer/payload/payload_index.hpp"

#include <algorithm>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "bitmap.hpp"
#include "filter_plan.hpp"
#include "payload_facts.hpp"

namespace vectorizer::payload {
namespace {

/// Payloads are read before the lock is taken, so that a large one does not hold up searches.
class BitmapPayloadIndex final : public PayloadIndex {
 public:
  explicit BitmapPayloadIndex(const Options& options) : options_(options) {}

  void add(Slot slot, const PointId& id, std::string_view payload) override {
    const PayloadFacts facts = facts_of(payload);
    const auto lock = lock_for_writing();
    state_.all.add(slot);
    if (id.is_integer()) {
      state_.numbers.emplace(id.number(), slot);
    } else {
      state_.texts.emplace(id.text(), slot);
    }
    for (const auto& [path, path_facts] : facts) {
      auto at = state_.paths.find(path);
      if (at == state_.paths.end()) {
        // Once a path was turned away it stays unknown: slots that came before would be missing from it.
        if (state_.untracked || state_.paths.size() >= options_.max_paths) {
          state_.untracked = true;
          continue;
        }
        at = state_.paths.try_emplace(path).first;
      }
      at->second.add(slot, path_facts, options_.max_values_per_path);
    }
  }

  void remove(Slot slot, const PointId& id, std::string_view payload) override {
    const PayloadFacts facts = facts_of(payload);
    const auto lock = lock_for_writing();
    state_.all.remove(slot);
    // An update adds the point's new slot first, which keeps the id.
    if (id.is_integer()) {
      erase_if_at(state_.numbers, id.number(), slot);
    } else {
      erase_if_at(state_.texts, id.text(), slot);
    }
    for (const auto& [path, path_facts] : facts) {
      const auto at = state_.paths.find(path);
      if (at != state_.paths.end()) at->second.remove(slot, path_facts);
    }
  }

  Candidates match(const Filter& filter) const override {
    Candidates out;
    const auto lock = lock_for_reading();
    const Bounds bounds = bounds_of(filter, state_);
    out.exact = bounds.exact();
    out.slots.resize(bounds.upper.cardinality());
    bounds.upper.toUint32Array(out.slots.data());
    return out;
  }

  std::vector<std::string> indexed_paths() const override {
    std::vector<std::string> out;
    const auto lock = lock_for_reading();
    for (const auto& [path, index] : state_.paths) {
      if (index.complete()) out.push_back(path);
    }
    std::sort(out.begin(), out.end());
    return out;
  }

  std::size_t bytes() const override {
    // Nodes of the hash tables: what they hold, a link and a cached hash; one pointer per bucket.
    constexpr std::size_t kNumberNode = 32;
    constexpr std::size_t kTextNode = 64;
    const auto lock = lock_for_reading();
    std::size_t bytes = sizeof *this + state_.all.getSizeInBytes();
    bytes += state_.numbers.size() * kNumberNode + state_.numbers.bucket_count() * sizeof(void*);
    bytes += state_.texts.size() * kTextNode + state_.texts.bucket_count() * sizeof(void*);
    for (const auto& [path, index] : state_.paths) bytes += path.capacity() + index.bytes();
    return bytes;
  }

 private:
  template <typename Ids, typename Key>
  static void erase_if_at(Ids& ids, const Key& key, Slot slot) {
    auto [at, end] = ids.equal_range(key);
    while (at != end && at->second != slot) ++at;
    if (at != end) ids.erase(at);
  }

  std::unique_lock<std::shared_mutex> lock_for_writing() {
    const std::lock_guard turn(turnstile_);
    return std::unique_lock(mutex_);
  }
  std::shared_lock<std::shared_mutex> lock_for_reading() const {
    const std::lock_guard turn(turnstile_);
    return std::shared_lock(mutex_);
  }

  const Options options_;
  mutable std::mutex turnstile_;  // glibc lets readers pass a waiting writer for ever, so everyone goes through here
  mutable std::shared_mutex mutex_;
  IndexState state_;
};

}  // namespace

std::unique_ptr<PayloadIndex> make_payload_index(const PayloadIndex::Options& options) {
  return std::make_unique<BitmapPayloadIndex>(options);
}

}  // namespace vectorizer::payload
