// Every body parser of the front end on arbitrary bytes: no crash, no sanitizer report, and what is accepted holds the
// rules that the layers below rely on. The first byte chooses the parser; the bytes behind a body are what a socket
// left there.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "http.hpp"
#include "json/admin_json.hpp"
#include "json/binary_body.hpp"
#include "json/cursor.hpp"
#include "json/point_values.hpp"
#include "json/read_body.hpp"
#include "json/search_body.hpp"
#include "json/session_token.hpp"
#include "json/write_body.hpp"
#include "vectorizer/model/json_parse.hpp"

namespace {

using namespace vectorizer;        // NOLINT(google-build-using-namespace)
using namespace vectorizer::rest;  // NOLINT(google-build-using-namespace)

constexpr std::uint32_t kDimension = 3;

void require(bool holds) {
  if (!holds) std::abort();
}

void check_vector(const std::vector<float>& vector) {
  require(vector.size() == kDimension);
  for (const float value : vector) require(std::isfinite(value));
}

void check_op(const WriteOp& op) {
  if (!op.vector.empty()) check_vector(op.vector);
  if (!op.payload.empty()) require(bool(validate_json_object(op.payload)));
  if (!op.id.is_integer()) require(!op.id.text().empty() && op.id.text().size() <= PointId::kMaxTextBytes);
}

void run(unsigned choice, std::string_view body, const config::LimitSettings& limits) {
  const PointId id(1);
  switch (choice % 14) {
    case 0:
      if (const auto ops = parse_upsert(body, kDimension, limits)) {
        for (const auto& op : ops->ops) {
          check_vector(op.vector);
          check_op(op);
        }
      }
      break;
    case 1:
      if (const auto op = parse_put(body, id, kDimension, limits)) check_op(*op);
      break;
    case 2:
      if (const auto op = parse_patch(body, id, kDimension, limits)) check_op(*op);
      break;
    case 3:
      if (const auto change = parse_delete(body, limits))
        require(change->ids.has_value() != change->filter.has_value());
      break;
    case 4:
      if (const auto change = parse_payload_change(body, limits)) check_op(change->op);
      break;
    case 5:
      if (const auto get = parse_get(body, limits)) require(get->ids.size() <= limits.max_ids);
      break;
    case 6:
      if (const auto scroll = parse_scroll(body, limits)) require(scroll->query.limit >= 1);
      break;
    case 7:
      static_cast<void>(parse_count(body, limits));
      break;
    case 8:
      if (const auto query = parse_search(body, kDimension, limits)) {
        check_vector(query->vector);
        require(query->offset + query->limit <= limits.max_results);
      }
      break;
    case 9:
      if (const auto queries = parse_search_batch(body, kDimension, limits)) {
        for (const auto& query : *queries) check_vector(query.vector);
      }
      break;
    case 10:
      if (const auto ops = parse_binary_upsert(body, kDimension, limits)) {
        for (const auto& op : ops->ops) check_vector(op.vector);
      }
      break;
    case 11:
      if (const auto query = parse_binary_search(body, kDimension, limits)) check_vector(query->vector);
      break;
    case 12:
      if (const auto cursor = decode_cursor(body)) require(encode_cursor(*cursor) == body);
      if (const auto token = decode_session_token(body)) require(encode_session_token(*token) == body);
      static_cast<void>(point_id_from_path(body, choice > 127));
      break;
    default:
      static_cast<void>(parse_rebalance(body, limits));
      static_cast<void>(parse_new_node(body, limits));
      static_cast<void>(parse_allocate(body, limits));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  config::LimitSettings limits;
  limits.max_batch_vectors = 64;
  // The second byte fills the padding: a parser that read on would see a brace or a quote there.
  std::string padded(reinterpret_cast<const char*>(data) + 2, size - 2);
  padded.append(Request::kBodyPadding, static_cast<char>(data[1]));
  run(data[0], std::string_view(padded.data(), size - 2), limits);
  return 0;
}
