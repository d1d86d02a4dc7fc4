#include "match_cursor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <type_traits>
#include <utility>

#include "matcher.hpp"

namespace vectorizer::shard {
namespace {

/// New slots that are looked at in one section of the table lock.
constexpr std::size_t kAtOnce = 256;

class KeyWriter {
 public:
  std::string take() { return std::move(out_); }

  void add(const Filter& filter) {
    for (const auto* list : {&filter.must, &filter.should, &filter.must_not, &filter.min_should}) {
      add_number(list->size());
      for (const Condition& condition : *list) add(condition);
    }
    add_number(filter.min_should_count);
  }

 private:
  void add_number(std::uint64_t number) { fmt::format_to(std::back_inserter(out_), "{};", number); }
  void add_text(std::string_view text) {
    add_number(text.size());
    out_ += text;
  }
  void add(const Condition& condition) {
    add_number(condition.path.size());
    for (const std::string& name : condition.path) add_text(name);
    add_number(condition.test.index());
    std::visit([this](const auto& test) { add(test); }, condition.test);
  }
  void add(const MatchAny& test) { add(test.values); }
  void add(const MatchExcept& test) { add(test.values); }
  void add(const Exists& test) { add_number(test.wanted); }
  void add(const IsNull& test) { add_number(test.wanted); }
  void add(const IsEmpty& test) { add_number(test.wanted); }
  void add(const Nested& test) { add(*test.filter); }
  void add(const std::shared_ptr<const Filter>& test) { add(*test); }
  void add(const Range& test) {
    add_number(test.is_time);
    for (const auto& bound : {test.gt, test.gte, test.lt, test.lte}) add_bound(bound);
  }
  void add(const ValuesCount& test) {
    for (const auto& bound : {test.gt, test.gte, test.lt, test.lte}) add_bound(bound);
  }
  void add(const HasId& test) {
    add_number(test.ids.size());
    for (const PointId& id : test.ids) add_text(id.encode());
  }
  template <typename Number>
  void add_bound(const std::optional<Number>& bound) {
    if (bound) {
      fmt::format_to(std::back_inserter(out_), "{};", *bound);  // doubles: the shortest text that gives them back
    } else {
      out_ += '-';
    }
  }
  void add(const std::vector<MatchValue>& values) {
    add_number(values.size());
    for (const MatchValue& value : values) {
      add_number(value.index());
      std::visit([this](const auto& held) { add_value(held); }, value);
    }
  }
  template <typename Value>
  void add_value(const Value& value) {
    if constexpr (std::is_same_v<Value, std::string>) {
      add_text(value);
    } else if constexpr (!std::is_same_v<Value, std::nullptr_t>) {
      fmt::format_to(std::back_inserter(out_), "{};", value);
    }
  }

  std::string out_;
};

}  // namespace

std::string filter_key(const Filter& filter) {
  KeyWriter writer;
  writer.add(filter);
  return writer.take();
}

Result<MatchCursor> MatchCursor::open(const ShardState& state, const std::shared_ptr<Generation>& generation,
                                      const Filter& filter, std::optional<PointId> after) {
  MatchCursor cursor;
  std::vector<std::pair<PointId, Slot>> matches;
  {
    ASSIGN_OR_RETURN(const Matches found, match_slots(state, *generation, filter));
    cursor.seen_ = found.seen;
    for (const Slot slot : found.slots) {
      const PointId& id = generation->table.live(slot)->id;
      if (!after || id > *after) matches.emplace_back(id, slot);
    }
  }
  std::sort(matches.begin(), matches.end());  // no writer waits for this
  cursor.slots_.reserve(matches.size());
  for (const auto& [id, slot] : matches) cursor.slots_.push_back(slot);
  cursor.key_ = filter_key(filter);
  cursor.generation_ = generation;
  cursor.from_ = std::move(after);
  return cursor;
}

bool MatchCursor::resumes(const std::shared_ptr<Generation>& generation, const std::string& key,
                          const std::optional<PointId>& after) const {
  const bool behind = !from_ || (after && *after >= *from_);
  return behind && generation_.lock() == generation && key_ == key;
}

Result<std::shared_lock<std::shared_mutex>> MatchCursor::catch_up(const ShardState& state, const Generation& generation,
                                                                  const Filter& filter,
                                                                  const std::optional<PointId>& after) {
  const SlotTable& table = generation.table;
  for (;;) {
    std::shared_lock lock(state.table_mutex);
    const std::size_t end = std::min(table.slots(), seen_ + kAtOnce);
    for (; seen_ < end; ++seen_) {
      const SlotEntry* entry = table.live(static_cast<Slot>(seen_));
      if (entry == nullptr || (after && entry->id <= *after)) continue;
      ASSIGN_OR_RETURN(const bool holds, slot_matches(state, *entry, filter));
      if (holds) fresh_.emplace(entry->id, static_cast<Slot>(seen_));
    }
    if (seen_ == table.slots()) return lock;
  }
}

Result<std::vector<PointId>> MatchCursor::page(const ShardState& state, const Generation& generation,
                                               const Filter& filter, const std::optional<PointId>& after,
                                               std::size_t limit) {
  // Held to the end: a point that is updated is in its old slot before this, or in its new one by now.
  ASSIGN_OR_RETURN(const auto lock, catch_up(state, generation, filter, after));
  used_ = std::chrono::steady_clock::now();
  from_ = after;
  if (after) fresh_.erase(fresh_.begin(), fresh_.upper_bound({*after, ~Slot{0}}));
  const SlotTable& table = generation.table;
  std::vector<PointId> ids;
  // The next page may begin anywhere in this one, so only what is not greater than `after` is passed for good.
  for (bool passed = true; passed && next_ < slots_.size();) {
    const SlotEntry* entry = table.live(slots_[next_]);
    passed = entry == nullptr || (after && entry->id <= *after);
    if (passed) ++next_;
  }
  auto fresh = fresh_.begin();
  for (std::size_t at = next_; ids.size() < limit;) {
    const SlotEntry* entry = at < slots_.size() ? table.live(slots_[at]) : nullptr;
    if (at < slots_.size() && entry == nullptr) {
      ++at;
    } else if (fresh != fresh_.end() && (entry == nullptr || fresh->first < entry->id)) {
      if (table.live(fresh->second) != nullptr) ids.push_back(fresh->first);
      ++fresh;
    } else if (entry != nullptr) {
      ids.push_back(entry->id);
      ++at;
    } else {
      break;
    }
  }
  return ids;
}

Result<std::vector<PointId>> MatchCursors::matching(const Filter& filter, const std::optional<PointId>& after,
                                                    std::size_t limit) {
  if (limit == 0) return std::vector<PointId>{};
  const std::shared_ptr<Generation> generation = state_.current();
  auto cursor = take(generation, filter_key(filter), after);
  if (!cursor) {
    ASSIGN_OR_RETURN(cursor, MatchCursor::open(state_, generation, filter, after));
  }
  ASSIGN_OR_RETURN(auto ids, cursor->page(state_, *generation, filter, after, limit));
  if (ids.size() < limit) return ids;  // nobody asks for more
  const std::lock_guard lock(mutex_);
  kept_.push_front(*std::move(cursor));
  if (kept_.size() > kMaxKept) kept_.pop_back();
  return ids;
}

std::optional<MatchCursor> MatchCursors::take(const std::shared_ptr<Generation>& generation, const std::string& key,
                                              const std::optional<PointId>& after) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const MatchCursor& cursor) {
    return after && cursor.resumes(generation, key, after);
  });
  if (found == kept_.end()) return std::nullopt;
  std::optional<MatchCursor> cursor(std::move(*found));
  kept_.erase(found);
  return cursor;
}

void MatchCursors::forget_idle(std::chrono::steady_clock::time_point now) {
  const std::lock_guard lock(mutex_);
  kept_.remove_if([&](const MatchCursor& cursor) { return now - cursor.used() > kKeptFor; });
}

std::size_t MatchCursors::kept() const {
  const std::lock_guard lock(mutex_);
  return kept_.size();
}

}  // namespace vectorizer::shard
