#include "filter_plan.hpp"

#include <cstdint>
#include <utility>
#include <vector>

#include "vectorizer/model/payload_path.hpp"

namespace vectorizer::payload {
namespace {

/// Evaluates a filter on bitmaps, condition by condition, as filter_matches does on a payload.
class Plan {
 public:
  explicit Plan(const IndexState& state) : state_(state) {}

  Bounds filter(const Filter& filter) const {
    Bounds out{state_.all, std::nullopt};
    for (const auto& each : filter.must) {
      if (out.upper.isEmpty()) return out;
      out = intersection(out, condition(each));
    }
    for (const auto& each : filter.must_not) {
      if (out.upper.isEmpty()) return out;
      out = intersection(out, complement(condition(each), state_.all));
    }
    if (!filter.should.empty()) {
      Bounds any;
      for (const auto& each : filter.should) any = union_of(any, condition(each));
      out = intersection(out, any);
    }
    if (!filter.min_should.empty()) out = intersection(out, at_least(filter.min_should_count, filter.min_should));
    return out;
  }

 private:
  Bounds condition(const Condition& condition) const {
    return std::visit([&](const auto& test) { return holds(condition.path, test); }, condition.test);
  }

  /// Null when no payload has the path, or when it is unknown which have: see no_path().
  const PathIndex* find(const PayloadPath& path) const {
    const auto found = state_.paths.find(format_payload_path(path));
    return found == state_.paths.end() ? nullptr : &found->second;
  }

  /// A condition that needs the key, on a path that is not indexed.
  Bounds no_path() const {
    if (!state_.untracked) return {Bitmap(), std::nullopt};
    return unknown();
  }
  Bounds unknown() const { return make_bounds(Bitmap(), state_.all); }

  Bounds wanted(bool wanted, Bounds bounds) const {
    return wanted ? std::move(bounds) : complement(bounds, state_.all);
  }

  template <typename Match>
  Bounds on_path(const PayloadPath& path, const Match& match) const {
    const PathIndex* const index = find(path);
    return index == nullptr ? no_path() : index->match(match);
  }

  Bounds flag(const PayloadPath& path, const Bitmap& (PathIndex::*slots)() const) const {
    const PathIndex* const index = find(path);
    return index == nullptr ? no_path() : Bounds{(index->*slots)(), std::nullopt};
  }

  Bounds holds(const PayloadPath& path, const MatchAny& match) const { return on_path(path, match); }
  Bounds holds(const PayloadPath& path, const MatchExcept& match) const { return on_path(path, match); }
  Bounds holds(const PayloadPath& path, const Range& range) const { return on_path(path, range); }
  Bounds holds(const PayloadPath& path, const Exists& exists) const {
    return wanted(exists.wanted, flag(path, &PathIndex::present));
  }
  Bounds holds(const PayloadPath& path, const IsNull& is_null) const {
    return wanted(is_null.wanted, flag(path, &PathIndex::nulls));
  }
  Bounds holds(const PayloadPath& path, const IsEmpty& is_empty) const {
    return wanted(!is_empty.wanted, flag(path, &PathIndex::non_empty));
  }

  /// Counts are not indexed; what is known: a slot with nothing at the key has 0 values, and only counts from 1 up need
  /// something there.
  Bounds holds(const PayloadPath& path, const ValuesCount& count) const {
    const bool zero_fits = !count.gt && (!count.gte || *count.gte == 0) && (!count.lt || *count.lt > 0);
    Bounds filled = flag(path, &PathIndex::non_empty);
    if (!zero_fits) return make_bounds(Bitmap(), std::move(filled.upper));
    return make_bounds(state_.all - filled.upper, state_.all);
  }

  /// Elements are not indexed one by one. What holds for one element's member holds for the whole path, for the
  /// conditions that only ask that some value be there; they narrow the candidates.
  Bounds holds(const PayloadPath& path, const Nested& nested) const {
    Bounds out = flag(path, &PathIndex::non_empty);
    for (const auto& each : nested.filter->must) {
      if (!asks_for_some_value(each)) continue;
      Condition whole = each;
      whole.path.insert(whole.path.begin(), path.begin(), path.end());
      out = intersection(out, condition(whole));
    }
    return make_bounds(Bitmap(), std::move(out.upper));
  }

  static bool asks_for_some_value(const Condition& condition) {
    if (const auto* const exists = std::get_if<Exists>(&condition.test)) return exists->wanted;
    if (const auto* const is_null = std::get_if<IsNull>(&condition.test)) return is_null->wanted;
    return std::holds_alternative<MatchAny>(condition.test) || std::holds_alternative<MatchExcept>(condition.test) ||
           std::holds_alternative<Range>(condition.test);
  }

  template <typename Iterator>
  static void add_all(std::pair<Iterator, Iterator> range, Bitmap& out) {
    for (auto at = range.first; at != range.second; ++at) out.add(at->second);
  }

  Bounds holds(const PayloadPath& /*path*/, const HasId& has_id) const {
    Bitmap out;
    for (const auto& id : has_id.ids) {
      if (id.is_integer()) {
        add_all(state_.numbers.equal_range(id.number()), out);
      } else {
        add_all(state_.texts.equal_range(id.text()), out);
      }
    }
    return {std::move(out), std::nullopt};
  }

  Bounds holds(const PayloadPath& /*path*/, const std::shared_ptr<const Filter>& group) const { return filter(*group); }

  Bounds at_least(std::size_t count, const std::vector<Condition>& conditions) const {
    if (count == 0) return {state_.all, std::nullopt};
    if (count > conditions.size() || state_.all.isEmpty()) return {Bitmap(), std::nullopt};
    const std::size_t slots = std::size_t{state_.all.maximum()} + 1;
    std::vector<std::uint32_t> maybe(slots);
    std::vector<std::uint32_t> surely(slots);
    for (const auto& each : conditions) {
      const Bounds bounds = condition(each);
      // A path may still hold a slot whose payload was not at hand when it was removed, past the last one of `all`.
      tally(bounds.upper & state_.all, maybe);
      tally(bounds.certain() & state_.all, surely);
    }
    return make_bounds(reaching(count, surely), reaching(count, maybe));
  }

  static void tally(const Bitmap& slots, std::vector<std::uint32_t>& counts) {
    slots.iterate(
        [](std::uint32_t slot, void* all) {
          ++(*static_cast<std::vector<std::uint32_t>*>(all))[slot];
          return true;
        },
        &counts);
  }

  static Bitmap reaching(std::size_t count, const std::vector<std::uint32_t>& counts) {
    std::vector<std::uint32_t> slots;
    for (std::size_t slot = 0; slot < counts.size(); ++slot) {
      if (counts[slot] >= count) slots.push_back(static_cast<std::uint32_t>(slot));
    }
    return Bitmap(slots.size(), slots.data());
  }

  const IndexState& state_;
};

}  // namespace

Bounds bounds_of(const Filter& filter, const IndexState& state) {
  return Plan(state).filter(filter);
}

}  // namespace vectorizer::payload
