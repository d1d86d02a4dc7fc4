#pragma once

#include <memory>
#include <optional>
#include <roaring/roaring.hh>
#include <utility>
#include <vector>

#include "vectorizer/payload/payload_index.hpp"

// CRoaring declared its class outside any namespace before 0.3 and in this one since; the lookup below finds either.
namespace roaring {}

namespace vectorizer::payload {
namespace roaring_lookup {
using namespace ::roaring;  // NOLINT(google-build-using-namespace)
using Bitmap = Roaring;
}  // namespace roaring_lookup
using Bitmap = roaring_lookup::Bitmap;

/// What is known of a condition: `lower` holds only slots for which it is true, `upper` all for which it may be true.
/// No `lower` means that it equals `upper`: the answer is exact. With both, a negation stays sound and often useful.
struct Bounds {
  Bitmap upper;
  std::optional<Bitmap> lower;

  bool exact() const { return !lower.has_value(); }
  const Bitmap& certain() const { return lower ? *lower : upper; }
};

/// Bounds whose sides may turn out to be equal.
inline Bounds make_bounds(Bitmap lower, Bitmap upper) {
  if (lower.cardinality() == upper.cardinality()) return {std::move(upper), std::nullopt};
  return {std::move(upper), std::move(lower)};
}

inline Bounds intersection(const Bounds& a, const Bounds& b) {
  if (a.exact() && b.exact()) return {a.upper & b.upper, std::nullopt};
  return make_bounds(a.certain() & b.certain(), a.upper & b.upper);
}

inline Bounds union_of(const Bounds& a, const Bounds& b) {
  if (a.exact() && b.exact()) return {a.upper | b.upper, std::nullopt};
  return make_bounds(a.certain() | b.certain(), a.upper | b.upper);
}

inline Bounds complement(const Bounds& a, const Bitmap& all) {
  if (a.exact()) return {all - a.upper, std::nullopt};
  return make_bounds(all - a.upper, all - *a.lower);
}

/// The slots that hold one value: most values of a unique field have one slot, which needs no bitmap.
class Posting {
 public:
  explicit Posting(Slot slot) : one_(slot) {}

  void add(Slot slot) {
    if (many_ == nullptr) {
      if (slot == one_) return;
      many_ = std::make_unique<Bitmap>();
      many_->add(one_);
    }
    many_->add(slot);
  }

  /// Whether nothing is left.
  bool remove(Slot slot) {
    if (many_ == nullptr) return slot == one_;
    many_->remove(slot);
    return many_->isEmpty();
  }

  void collect(Bitmap& out) const {
    if (many_ == nullptr) {
      out.add(one_);
    } else {
      out |= *many_;
    }
  }

 private:
  Slot one_;
  std::unique_ptr<Bitmap> many_;
};

}  // namespace vectorizer::payload
