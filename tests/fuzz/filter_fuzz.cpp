// A filter and a payload from one input, split at the first newline: whatever a client sends, parsing stays within its
// limits, and the payload index says the same as the reference semantics.
#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "fuzzing.hpp"
#include "vectorizer/model/filter.hpp"
#include "vectorizer/model/json_parse.hpp"
#include "vectorizer/payload/payload_index.hpp"

namespace {

using vectorizer::PointId;
using vectorizer::fuzzing::require;
using vectorizer::payload::PayloadIndex;
using vectorizer::payload::Slot;

void check_index(const vectorizer::Filter& filter, std::string_view payload, const PayloadIndex::Options& options) {
  const auto index = vectorizer::payload::make_payload_index(options);
  const PointId ids[] = {PointId(std::uint64_t{1}), PointId(std::string("1"))};
  const std::string_view payloads[] = {payload, ""};
  for (Slot slot = 0; slot < 2; ++slot) index->add(slot, ids[slot], payloads[slot]);
  const auto found = index->match(filter);
  for (Slot slot = 0; slot < 2; ++slot) {
    const bool expected = vectorizer::filter_matches(filter, ids[slot], payloads[slot]);
    const bool actual = std::find(found.slots.begin(), found.slots.end(), slot) != found.slots.end();
    require(actual || !expected, "a match is missing from the index's answer");
    require(!found.exact || actual == expected, "an exact answer holds a slot that does not match");
  }
  for (Slot slot = 0; slot < 2; ++slot) index->remove(slot, ids[slot], payloads[slot]);
  require(index->match({}).slots.empty(), "a removed slot is still there");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto newline = input.find('\n');
  const std::string_view payload = newline == std::string_view::npos ? "" : input.substr(newline + 1);
  const auto json = vectorizer::parse_json(input.substr(0, newline));
  if (!json) return 0;
  const auto filter = vectorizer::parse_filter(*json, {});
  if (!filter) {
    const auto details = nlohmann::json::parse(filter.error().details, nullptr, false);
    require(details.is_object() && details.contains("field"), "an error's details are not JSON that names a field");
    return 0;
  }
  check_index(*filter, payload, {});
  PayloadIndex::Options tight;
  tight.max_paths = 2;
  tight.max_values_per_path = 1;
  check_index(*filter, payload, tight);
  return 0;
}
