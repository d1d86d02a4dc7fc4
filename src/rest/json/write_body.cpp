#include "json/write_body.hpp"

#include <algorithm>
#include <memory>
#include <unordered_map>

#include "json/point_values.hpp"

namespace vectorizer::rest {
namespace {

/// One `{"id","vector","payload"}`; what is allowed and required differs between the endpoints.
struct PointFields {
  std::optional<PointId> id;
  std::optional<std::size_t> dimension;  ///< of the vector that was sent
  bool has_payload = false;
  WriteOp op;
};

Result<void> read_point_fields(JsonObject& object, const FieldPath& path, bool with_id, std::uint32_t dimension,
                               const config::LimitSettings& limits, PointFields& out) {
  return for_each_member(object, [&](std::string_view key, JsonValue value) -> Result<void> {
    if (key == "id" && with_id) {
      ASSIGN_OR_RETURN(out.id, read_point_id(value, path.member("id")));
    } else if (key == "vector") {
      ASSIGN_OR_RETURN(out.dimension, read_vector(value, path.member("vector"), dimension, out.op.vector));
    } else if (key == "payload") {
      ASSIGN_OR_RETURN(out.op.payload, read_payload(value, path.member("payload"), limits));
      out.has_payload = !out.op.payload.empty();
    } else {
      return unknown_field(path, key);
    }
    return {};
  });
}

Result<WriteOp> read_batch_entry(JsonValue& value, const FieldPath& path, std::size_t index, std::uint32_t dimension,
                                 const config::LimitSettings& limits) {
  ASSIGN_OR_RETURN(JsonObject object, read_member_object(value, path));
  PointFields fields;
  RETURN_IF_ERROR(read_point_fields(object, path, true, dimension, limits, fields));
  if (!fields.id) return missing_field(path.member("id"));
  if (!fields.dimension) return missing_field(path.member("vector"));
  if (*fields.dimension != dimension) return dimension_mismatch(dimension, *fields.dimension, index, &*fields.id);
  fields.op.kind = WriteOp::Kind::kUpsert;
  fields.op.id = *std::move(fields.id);
  return std::move(fields.op);
}

Result<PointFields> parse_one_point(std::string_view body, const PointId& id, std::uint32_t dimension,
                                    const config::LimitSettings& limits) {
  PointFields fields;
  RETURN_IF_ERROR(read_object(body, limits, [&](JsonObject& object) {
    return read_point_fields(object, FieldPath(), false, dimension, limits, fields);
  }));
  if (fields.dimension && *fields.dimension != dimension) {
    return dimension_mismatch(dimension, *fields.dimension, std::nullopt, &id);
  }
  fields.op.id = id;
  return fields;
}

/// `ids` and `filter`, which the bulk changes share; false when `key` is neither.
Result<bool> read_selection(std::string_view key, JsonValue& value, const config::LimitSettings& limits,
                            BulkChange& out) {
  if (key == "ids") {
    ASSIGN_OR_RETURN(out.ids, read_point_ids(value, FieldPath("ids"), limits.max_ids, &out.places));
    return true;
  }
  if (key == "filter") {
    ASSIGN_OR_RETURN(out.filter, read_filter(value, FieldPath("filter"), limits));
    return true;
  }
  return false;
}

Result<void> check_selection(const BulkChange& change) {
  if (change.ids.has_value() == change.filter.has_value()) {
    return invalid_field("ids", "exactly one of ids and filter is required");
  }
  if (change.filter && holds_for_all(*change.filter)) {
    return invalid_field("filter", "is empty and would hold for every vector");
  }
  return {};
}

Result<PayloadMode> read_mode(JsonValue& value) {
  const FieldPath path("mode");
  ASSIGN_OR_RETURN(const auto text, read_string(value, path));
  if (text == "merge") return PayloadMode::kMerge;
  if (text == "set") return PayloadMode::kSet;
  if (text == "replace") return PayloadMode::kReplace;
  if (text == "delete_keys") return PayloadMode::kDeleteKeys;
  if (text == "clear") return PayloadMode::kClear;
  return invalid_field("mode", "must be merge, set, replace, delete_keys or clear");
}

Result<void> check_mode_fields(PayloadMode mode, bool has_payload, bool has_keys) {
  const bool wants_keys = mode == PayloadMode::kDeleteKeys;
  const bool wants_payload = !wants_keys && mode != PayloadMode::kClear;
  if (wants_payload && !has_payload) return invalid_field("payload", "is required by this mode");
  if (wants_keys && !has_keys) return invalid_field("keys", "is required by this mode");
  if (!wants_payload && has_payload) return invalid_field("payload", "does not go with this mode");
  if (!wants_keys && has_keys) return invalid_field("keys", "does not go with this mode");
  return {};
}

Result<std::vector<std::string>> read_keys(JsonValue& value) {
  ASSIGN_OR_RETURN(auto keys, read_payload_paths(value, FieldPath("keys")));
  if (keys.empty()) return invalid_field("keys", "must not be empty");
  return keys;
}

bool condition_holds_for_all(const Condition& condition) {
  const auto* group = std::get_if<std::shared_ptr<const Filter>>(&condition.test);
  return group != nullptr && *group != nullptr && holds_for_all(**group);
}

}  // namespace

Result<WriteOps> parse_upsert(std::string_view body, std::uint32_t dimension, const config::LimitSettings& limits) {
  const FieldPath path("vectors");
  std::vector<WriteOp> ops;
  bool present = false;
  RETURN_IF_ERROR(read_object(body, limits, [&](JsonObject& object) {
    return for_each_member(object, [&](std::string_view key, JsonValue list) -> Result<void> {
      if (key != "vectors") return unknown_field(FieldPath(), key);
      present = true;
      ops.clear();
      return for_each_element(list, path, [&](std::size_t index, JsonValue item) -> Result<void> {
        if (index >= limits.max_batch_vectors) return too_many(path, limits.max_batch_vectors);
        ASSIGN_OR_RETURN(auto op, read_batch_entry(item, path.at(index), index, dimension, limits));
        ops.push_back(std::move(op));
        return {};
      });
    });
  }));
  if (!present) return missing_field(path);
  if (ops.empty()) return invalid_field("vectors", "must not be empty");
  return WriteOps(std::move(ops));
}

Result<WriteOp> parse_put(std::string_view body, const PointId& id, std::uint32_t dimension,
                          const config::LimitSettings& limits) {
  ASSIGN_OR_RETURN(auto fields, parse_one_point(body, id, dimension, limits));
  if (!fields.dimension) return missing_field(FieldPath("vector"));
  fields.op.kind = WriteOp::Kind::kUpsert;
  return std::move(fields.op);
}

Result<WriteOp> parse_patch(std::string_view body, const PointId& id, std::uint32_t dimension,
                            const config::LimitSettings& limits) {
  ASSIGN_OR_RETURN(auto fields, parse_one_point(body, id, dimension, limits));
  if (!fields.dimension && !fields.has_payload) return invalid_field("body", "has neither a vector nor a payload");
  fields.op.kind = WriteOp::Kind::kPatch;
  return std::move(fields.op);
}

Result<BulkChange> parse_delete(std::string_view body, const config::LimitSettings& limits) {
  BulkChange change;
  RETURN_IF_ERROR(read_object(body, limits, [&](JsonObject& object) {
    return for_each_member(object, [&](std::string_view key, JsonValue value) -> Result<void> {
      ASSIGN_OR_RETURN(const bool known, read_selection(key, value, limits, change));
      if (!known) return unknown_field(FieldPath(), key);
      return {};
    });
  }));
  RETURN_IF_ERROR(check_selection(change));
  change.op.kind = WriteOp::Kind::kDelete;
  return change;
}

Result<BulkChange> parse_payload_change(std::string_view body, const config::LimitSettings& limits) {
  BulkChange change;
  bool has_keys = false;
  RETURN_IF_ERROR(read_object(body, limits, [&](JsonObject& object) {
    return for_each_member(object, [&](std::string_view key, JsonValue value) -> Result<void> {
      ASSIGN_OR_RETURN(const bool known, read_selection(key, value, limits, change));
      if (known) return {};
      if (key == "payload") {
        ASSIGN_OR_RETURN(change.op.payload, read_payload(value, FieldPath("payload"), limits));
      } else if (key == "keys") {
        ASSIGN_OR_RETURN(change.op.keys, read_keys(value));
        has_keys = true;
      } else if (key == "mode") {
        ASSIGN_OR_RETURN(change.op.mode, read_mode(value));
      } else {
        return unknown_field(FieldPath(), key);
      }
      return {};
    });
  }));
  RETURN_IF_ERROR(check_selection(change));
  RETURN_IF_ERROR(check_mode_fields(change.op.mode, !change.op.payload.empty(), has_keys));
  change.op.kind = WriteOp::Kind::kPayload;
  return change;
}

WriteOps::WriteOps(std::vector<WriteOp> all) : ops(std::move(all)) {
  std::unordered_map<PointId, std::size_t, PointIdHash> last;
  last.reserve(ops.size());
  for (std::size_t i = 0; i < ops.size(); ++i) last.insert_or_assign(ops[i].id, i);
  places.reserve(last.size());
  for (std::size_t i = 0; i < ops.size(); ++i) {
    if (last.at(ops[i].id) != i) continue;
    if (places.size() != i) ops[places.size()] = std::move(ops[i]);
    places.push_back(i);
  }
  ops.resize(places.size());
}

bool holds_for_all(const Filter& filter) {
  const auto count = [](const std::vector<Condition>& conditions) {
    return static_cast<std::size_t>(std::count_if(conditions.begin(), conditions.end(), condition_holds_for_all));
  };
  return count(filter.must) == filter.must.size() && (filter.should.empty() || count(filter.should) > 0) &&
         filter.must_not.empty() && (filter.min_should.empty() || count(filter.min_should) >= filter.min_should_count);
}

}  // namespace vectorizer::rest
