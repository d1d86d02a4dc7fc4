#include "json/reply.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>

#include "json/cursor.hpp"
#include "vectorizer/base/json_text.hpp"
#include "vectorizer/model/reply_size.hpp"

namespace vectorizer::rest {
namespace {

/// A dot product may overflow f32, and JSON has no infinity.
constexpr float kLargest = std::numeric_limits<float>::max();

void append_vector(std::string& out, const std::vector<float>& vector) {
  out += '[';
  for (std::size_t i = 0; i < vector.size(); ++i) {
    if (i > 0) out += ',';
    append_json_float(out, vector[i]);
  }
  out += ']';
}

/// The members that points and hits share, with their commas.
void append_parts(std::string& out, const std::string& payload, const std::vector<float>& vector,
                  const Projection& what) {
  if (what.with_payload) {
    out += ",\"payload\":";
    out += payload.empty() ? "{}" : payload;
  }
  if (what.with_vector) {
    out += ",\"vector\":";
    append_vector(out, vector);
  }
}

void append_hit(std::string& out, const ScoredPoint& hit, const Projection& what) {
  out += "{\"id\":";
  hit.id.append_json(out);
  out += ",\"score\":";
  append_json_float(out, std::clamp(hit.score, -kLargest, kLargest));
  append_parts(out, hit.payload, hit.vector, what);
  out += '}';
}

void append_shards(std::string& out, const coordinator::SearchReply& reply) {
  const auto failed = reply.failures.size();
  fmt::format_to(std::back_inserter(out), "\"shards\":{{\"total\":{},\"successful\":{},\"failed\":{},\"failures\":[",
                 reply.shards_total, reply.shards_total - failed, failed);
  for (std::size_t i = 0; i < failed; ++i) {
    const auto& failure = reply.failures[i];
    if (i > 0) out += ',';
    out += "{\"shard_id\":";
    append_json_integer(out, failure.shard.value());
    out += ",\"error_type\":";
    append_json_string(out, error_type_name(failure.error.type));
    out += ",\"message\":";
    append_json_string(out, failure.error.message);
    out += '}';
  }
  out += "]}";
}

template <typename Points>
std::size_t size_of(const Points& points) {
  std::size_t bytes = 256;
  for (const auto& point : points) bytes += reply_bytes(point.payload.size(), point.vector.size());
  return bytes;
}

}  // namespace

void append_point(std::string& out, const Point& point, const Projection& what) {
  out += "{\"id\":";
  point.id.append_json(out);
  append_parts(out, point.payload, point.vector, what);
  out += '}';
}

void append_search_reply(std::string& out, const coordinator::SearchReply& reply, const Projection& what,
                         double took_ms) {
  out.reserve(out.size() + size_of(reply.results));
  out += "{\"results\":[";
  for (std::size_t i = 0; i < reply.results.size(); ++i) {
    if (i > 0) out += ',';
    append_hit(out, reply.results[i], what);
  }
  fmt::format_to(std::back_inserter(out), "],\"took_ms\":{:.3f},", took_ms);
  append_shards(out, reply);
  out += '}';
}

std::string scroll_reply(const coordinator::ScrollReply& reply, const Projection& what) {
  std::string out;
  out.reserve(size_of(reply.points));
  out += "{\"vectors\":[";
  for (std::size_t i = 0; i < reply.points.size(); ++i) {
    if (i > 0) out += ',';
    append_point(out, reply.points[i], what);
  }
  out += "],\"next_cursor\":";
  if (reply.next) {
    append_json_string(out, encode_cursor(*reply.next));
  } else {
    out += "null";
  }
  out += '}';
  return out;
}

std::string get_reply(const std::vector<PointId>& ids, const std::vector<std::optional<Point>>& points,
                      const Projection& what) {
  std::string out = "{\"vectors\":[";
  std::string missing;
  bool first = true;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (i < points.size() && points[i]) {
      if (!first) out += ',';
      first = false;
      append_point(out, *points[i], what);
    } else {
      if (!missing.empty()) missing += ',';
      ids[i].append_json(missing);
    }
  }
  out += "],\"missing\":[";
  out += missing;
  out += "]}";
  return out;
}

}  // namespace vectorizer::rest
