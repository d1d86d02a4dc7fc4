#include "path_index.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace vectorizer::payload {
namespace {

// Rough sizes for bytes(): a tree node with its key and posting as malloc rounds it, and one more slot in a bitmap.
constexpr std::size_t kValueNodeBytes = 112;
constexpr std::size_t kTimeNodeBytes = 80;
constexpr std::size_t kSlotBytes = 2;

std::size_t node_bytes(const MatchValue& value) {
  const auto* const text = std::get_if<std::string>(&value);
  return kValueNodeBytes + (text != nullptr && text->size() >= 16 ? text->size() + 16 : 0);
}
std::size_t node_bytes(double /*time*/) {
  return kTimeNodeBytes;
}

/// Adds `slot` under each key; the growth in bytes.
template <typename Column, typename Keys>
std::size_t add_to(Column& column, const Keys& keys, Slot slot) {
  std::size_t grown = 0;
  for (const auto& key : keys) {
    const auto [at, fresh] = column.try_emplace(key, slot);
    if (!fresh) at->second.add(slot);
    grown += fresh ? node_bytes(key) : kSlotBytes;
  }
  return grown;
}

template <typename Column, typename Keys>
std::size_t remove_from(Column& column, const Keys& keys, Slot slot) {
  std::size_t shrunk = 0;
  for (const auto& key : keys) {
    const auto at = column.find(key);
    if (at == column.end()) continue;
    const bool gone = at->second.remove(slot);
    shrunk += gone ? node_bytes(key) : kSlotBytes;
    if (gone) column.erase(at);
  }
  return shrunk;
}

/// The union of the postings of a column inside the bounds.
template <typename Column, typename ToKey>
Bitmap collect_range(const Column& column, const Range& range, const ToKey& to_key) {
  auto from = column.begin();
  if (range.gte) from = column.lower_bound(to_key(*range.gte));
  if (range.gt) {
    const auto above = column.upper_bound(to_key(*range.gt));
    // Of two lower bounds the higher one counts.
    if (!range.gte || *range.gt >= *range.gte) from = above;
  }
  Bitmap out;
  for (auto at = from; at != column.end(); ++at) {
    if (range.lt && !(column.key_comp()(at->first, to_key(*range.lt)))) break;
    if (range.lte && column.key_comp()(to_key(*range.lte), at->first)) break;
    at->second.collect(out);
  }
  return out;
}

}  // namespace

void PathIndex::add(Slot slot, const PathFacts& facts, std::size_t max_values) {
  present_.add(slot);
  if (facts.non_empty) non_empty_.add(slot);
  if (facts.has_null) nulls_.add(slot);
  if (facts.has_text) texts_.add(slot);
  if (facts.has_element()) elements_.add(slot);
  if (facts.has_more) more_.add(slot);
  if (overflowed_) return;
  value_bytes_ += add_to(values_, facts.values, slot);
  value_bytes_ += add_to(times_, facts.times, slot);
  if (values_.size() > max_values || times_.size() > max_values) overflow();
}

void PathIndex::remove(Slot slot, const PathFacts& facts) {
  for (Bitmap* const bitmap : {&present_, &non_empty_, &nulls_, &texts_, &elements_, &more_}) bitmap->remove(slot);
  if (overflowed_) return;
  value_bytes_ -= std::min(value_bytes_, remove_from(values_, facts.values, slot));
  value_bytes_ -= std::min(value_bytes_, remove_from(times_, facts.times, slot));
}

void PathIndex::overflow() {
  // For good: what was dropped cannot be had back without reading every payload again.
  overflowed_ = true;
  values_.clear();
  times_.clear();
  value_bytes_ = 0;
}

PathIndex::Found PathIndex::find(const std::vector<MatchValue>& values) const {
  Found found;
  for (const auto& value : values) {
    if (std::holds_alternative<std::nullptr_t>(value)) {
      found.slots |= nulls_;
      continue;
    }
    const auto* const text = std::get_if<std::string>(&value);
    if (text != nullptr && text->size() > kMaxKeywordBytes) {
      found.slots |= texts_;
      found.exact = found.exact && texts_.isEmpty();
    } else if (overflowed_) {
      found.slots |= elements_;
      found.exact = found.exact && elements_.isEmpty();
    } else if (const auto at = values_.find(value); at != values_.end()) {
      at->second.collect(found.slots);
    }
  }
  return found;
}

Bounds PathIndex::match(const MatchAny& match) const {
  Found found = find(match.values);
  if (found.exact) return {std::move(found.slots), std::nullopt};
  return make_bounds(Bitmap(), std::move(found.slots));
}

Bounds PathIndex::match(const MatchExcept& match) const {
  const Found listed = find(match.values);
  // A slot with a listed value holds another one too only if its elements differ; whether it does is not known here.
  Bitmap lower = elements_ - listed.slots;
  if (!listed.exact) return make_bounds(std::move(lower), elements_);
  Bitmap upper = elements_ - (listed.slots - more_);
  return make_bounds(std::move(lower), std::move(upper));
}

Bounds PathIndex::match(const Range& range) const {
  if (overflowed_) return make_bounds(Bitmap(), elements_);
  if (range.is_time) return {collect_range(times_, range, [](double bound) { return bound; }), std::nullopt};
  // Numbers lie between booleans and strings in the order of values.
  Range numbers = range;
  if (!numbers.gt && !numbers.gte) numbers.gte = -std::numeric_limits<double>::infinity();
  if (!numbers.lt && !numbers.lte) numbers.lte = std::numeric_limits<double>::infinity();
  return {collect_range(values_, numbers, number_value), std::nullopt};
}

std::size_t PathIndex::bytes() const {
  std::size_t bytes = sizeof *this + value_bytes_;
  for (const Bitmap* const bitmap : {&present_, &non_empty_, &nulls_, &texts_, &elements_, &more_}) {
    bytes += bitmap->getSizeInBytes();
  }
  return bytes;
}

}  // namespace vectorizer::payload
