#include "filter_codec.hpp"

#include <algorithm>
#include <type_traits>
#include <utility>
#include <vector>

namespace vectorizer::rpc {
namespace {

Error damaged(const std::string& what) {
  return {ErrorType::kInternal, "a filter from another node cannot be read: " + what};
}

void encode_value(const MatchValue& value, wire::Value& out) {
  std::visit(
      [&](const auto& held) {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<Held, std::nullptr_t>) {
          out.mutable_null();
        } else if constexpr (std::is_same_v<Held, bool>) {
          out.set_boolean(held);
        } else if constexpr (std::is_same_v<Held, std::int64_t>) {
          out.set_integer(held);
        } else if constexpr (std::is_same_v<Held, std::uint64_t>) {
          out.set_large(held);
        } else if constexpr (std::is_same_v<Held, double>) {
          out.set_number(held);
        } else {
          out.set_text(held);
        }
      },
      value);
}

Result<MatchValue> decode_value(const wire::Value& in) {
  switch (in.value_case()) {
    case wire::Value::kNull:
      return MatchValue(nullptr);
    case wire::Value::kBoolean:
      return MatchValue(in.boolean());
    case wire::Value::kInteger:
      return MatchValue(std::int64_t{in.integer()});
    case wire::Value::kLarge:
      return MatchValue(std::uint64_t{in.large()});
    case wire::Value::kNumber:
      return MatchValue(in.number());
    case wire::Value::kText:
      return MatchValue(in.text());
    case wire::Value::VALUE_NOT_SET:
      break;
  }
  return damaged("a value of no known type");
}

void encode_values(const std::vector<MatchValue>& values, wire::Values& out) {
  out.mutable_values()->Reserve(static_cast<int>(values.size()));
  for (const auto& value : values) encode_value(value, *out.add_values());
}

Result<std::vector<MatchValue>> decode_values(const wire::Values& in) {
  std::vector<MatchValue> out;
  out.reserve(static_cast<std::size_t>(in.values_size()));
  for (const auto& value : in.values()) {
    ASSIGN_OR_RETURN(MatchValue decoded, decode_value(value));
    out.push_back(std::move(decoded));
  }
  return out;
}

#define VECTORIZER_COPY_BOUNDS(from, to)     \
  if ((from).gt) (to).set_gt(*(from).gt);    \
  if ((from).gte) (to).set_gte(*(from).gte); \
  if ((from).lt) (to).set_lt(*(from).lt);    \
  if ((from).lte) (to).set_lte(*(from).lte)

template <typename Bounds, typename Wire>
Bounds decode_bounds(const Wire& in) {
  Bounds out;
  if (in.has_gt()) out.gt = in.gt();
  if (in.has_gte()) out.gte = in.gte();
  if (in.has_lt()) out.lt = in.lt();
  if (in.has_lte()) out.lte = in.lte();
  return out;
}

/// Writes groups in the order in which they are first named, breadth first: a child always comes after its parent.
class Encoder {
 public:
  explicit Encoder(wire::Filter& out) : out_(out) {}

  void run(const Filter& root) {
    add(root);
    for (std::size_t i = 0; i < groups_.size(); ++i) {
      const Filter& from = *groups_[i];
      wire::FilterGroup& to = *out_.mutable_groups(static_cast<int>(i));
      for (const auto& each : from.must) condition(each, *to.add_must());
      for (const auto& each : from.should) condition(each, *to.add_should());
      for (const auto& each : from.must_not) condition(each, *to.add_must_not());
      for (const auto& each : from.min_should) condition(each, *to.add_min_should());
      to.set_min_should_count(from.min_should_count);
    }
  }

 private:
  std::uint32_t add(const Filter& group) {
    groups_.push_back(&group);
    out_.add_groups();
    return static_cast<std::uint32_t>(groups_.size() - 1);
  }

  void condition(const Condition& from, wire::Condition& to) {
    for (const auto& name : from.path) to.add_path(name);
    std::visit([&](const auto& test) { encode(test, to); }, from.test);
  }

  void encode(const MatchAny& test, wire::Condition& to) { encode_values(test.values, *to.mutable_any()); }
  void encode(const MatchExcept& test, wire::Condition& to) { encode_values(test.values, *to.mutable_except()); }
  void encode(const Range& test, wire::Condition& to) {
    wire::Range& range = *to.mutable_range();
    VECTORIZER_COPY_BOUNDS(test, range);
    range.set_is_time(test.is_time);
  }
  void encode(const Exists& test, wire::Condition& to) { to.set_exists(test.wanted); }
  void encode(const IsNull& test, wire::Condition& to) { to.set_is_null(test.wanted); }
  void encode(const IsEmpty& test, wire::Condition& to) { to.set_is_empty(test.wanted); }
  void encode(const ValuesCount& test, wire::Condition& to) {
    wire::ValuesCount& count = *to.mutable_values_count();
    VECTORIZER_COPY_BOUNDS(test, count);
  }
  void encode(const Nested& test, wire::Condition& to) { to.set_nested(add(*test.filter)); }
  void encode(const HasId& test, wire::Condition& to) {
    for (const auto& id : test.ids) encode_id(id, *to.mutable_has_id()->add_ids());
    to.mutable_has_id();  // present also without ids
  }
  void encode(const std::shared_ptr<const Filter>& test, wire::Condition& to) { to.set_group(add(*test)); }

  wire::Filter& out_;
  std::vector<const Filter*> groups_;
};

/// Far above what limits.max_filter_depth can allow, far below what the recursion over a filter can take.
constexpr std::uint32_t kMaxDepth = 1000;

/// Reads groups from the last to the first, so that those that a group names are there.
class Decoder {
 public:
  explicit Decoder(const wire::Filter& in)
      : in_(in),
        groups_(static_cast<std::size_t>(in.groups_size())),
        named_(groups_.size(), false),
        depth_(groups_.size(), 1) {}

  Result<Filter> run() {
    if (groups_.empty()) return damaged("it has no groups");
    for (current_ = groups_.size(); current_-- > 0;) {
      const wire::FilterGroup& from = in_.groups(static_cast<int>(current_));
      Filter to;
      RETURN_IF_ERROR(conditions(from.must(), to.must));
      RETURN_IF_ERROR(conditions(from.should(), to.should));
      RETURN_IF_ERROR(conditions(from.must_not(), to.must_not));
      RETURN_IF_ERROR(conditions(from.min_should(), to.min_should));
      to.min_should_count = from.min_should_count();
      if (current_ == 0) return finish(std::move(to));
      groups_[current_] = std::make_shared<const Filter>(std::move(to));
    }
    return damaged("it has no groups");
  }

 private:
  Result<Filter> finish(Filter root) const {
    for (std::size_t i = 1; i < named_.size(); ++i) {
      if (!named_[i]) return damaged("a group that no condition names");
    }
    return root;
  }

  Result<std::shared_ptr<const Filter>> group(std::uint32_t index) {
    if (index <= current_ || index >= groups_.size() || named_[index]) return damaged("a group out of place");
    named_[index] = true;
    depth_[current_] = std::max(depth_[current_], depth_[index] + 1);
    if (depth_[current_] > kMaxDepth) return damaged("its groups are nested too deeply");
    return std::move(groups_[index]);
  }

  template <typename List>
  Result<void> conditions(const List& from, std::vector<Condition>& to) {
    to.reserve(static_cast<std::size_t>(from.size()));
    for (const auto& each : from) {
      ASSIGN_OR_RETURN(Condition decoded, condition(each));
      to.push_back(std::move(decoded));
    }
    return {};
  }

  Result<Condition> condition(const wire::Condition& from) {
    Condition out;
    out.path.assign(from.path().begin(), from.path().end());
    switch (from.test_case()) {
      case wire::Condition::kAny: {
        ASSIGN_OR_RETURN(auto values, decode_values(from.any()));
        out.test = MatchAny{std::move(values)};
        return out;
      }
      case wire::Condition::kExcept: {
        ASSIGN_OR_RETURN(auto values, decode_values(from.except()));
        out.test = MatchExcept{std::move(values)};
        return out;
      }
      case wire::Condition::kRange: {
        Range range = decode_bounds<Range>(from.range());
        range.is_time = from.range().is_time();
        out.test = range;
        return out;
      }
      case wire::Condition::kExists:
        out.test = Exists{from.exists()};
        return out;
      case wire::Condition::kIsNull:
        out.test = IsNull{from.is_null()};
        return out;
      case wire::Condition::kIsEmpty:
        out.test = IsEmpty{from.is_empty()};
        return out;
      case wire::Condition::kValuesCount:
        out.test = decode_bounds<ValuesCount>(from.values_count());
        return out;
      case wire::Condition::kNested: {
        ASSIGN_OR_RETURN(auto inner, group(from.nested()));
        out.test = Nested{std::move(inner)};
        return out;
      }
      case wire::Condition::kHasId: {
        HasId test;
        for (const auto& id : from.has_id().ids()) test.ids.push_back(decode_id(id));
        out.test = std::move(test);
        return out;
      }
      case wire::Condition::kGroup: {
        ASSIGN_OR_RETURN(auto inner, group(from.group()));
        out.test = std::move(inner);
        return out;
      }
      case wire::Condition::TEST_NOT_SET:
        break;
    }
    return damaged("a condition of no known kind");
  }

  const wire::Filter& in_;
  std::vector<std::shared_ptr<const Filter>> groups_;
  std::vector<bool> named_;
  std::vector<std::uint32_t> depth_;  // of groups inside each other, itself included
  std::size_t current_ = 0;
};

}  // namespace

void encode_id(const PointId& id, wire::Id& out) {
  if (id.is_integer()) {
    out.set_number(id.number());
  } else {
    out.set_text(id.text());
  }
}

PointId decode_id(const wire::Id& in) {
  return in.has_text() ? PointId(in.text()) : PointId(in.number());
}

void encode_filter(const Filter& filter, wire::Filter& out) {
  Encoder(out).run(filter);
}

Result<Filter> decode_filter(const wire::Filter& in) {
  return Decoder(in).run();
}

}  // namespace vectorizer::rpc
