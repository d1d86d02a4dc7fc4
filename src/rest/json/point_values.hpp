#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json/ondemand.hpp"
#include "vectorizer/model/filter.hpp"
#include "vectorizer/model/point_id.hpp"
#include "vectorizer/model/requests.hpp"

namespace vectorizer::rest {

/// An id in a body: a whole number of 64 bits, or a string of 1..256 bytes.
Result<PointId> read_point_id(JsonValue& value, const FieldPath& path);
/// A list of ids; the second mention of an id is dropped. `places` gets the index in the list of each that is left.
Result<std::vector<PointId>> read_point_ids(JsonValue& value, const FieldPath& path, std::size_t max_ids,
                                            std::vector<std::size_t>* places = nullptr);

/// An id in a path, percent-decoded: digits only are an integer, unless `as_string`.
Result<PointId> point_id_from_path(std::string_view text, bool as_string);

/// Reads an array of numbers or base64 of little-endian f32 into `out`, keeping at most `dimension` of them.
/// The value is how many there were: the caller compares it, because it knows the id.
Result<std::size_t> read_vector(JsonValue& value, const FieldPath& path, std::uint32_t dimension,
                                std::vector<float>& out);
/// Copies `bytes` of little-endian f32 into `out`; an error names the first that is not finite.
Result<void> copy_floats(std::string_view bytes, const FieldPath& path, std::vector<float>& out);

/// 400 dimension_mismatch; `index` within a batch, `id` where one is known.
Error dimension_mismatch(std::size_t expected, std::size_t actual, std::optional<std::size_t> index = std::nullopt,
                         const PointId* id = nullptr);
/// 400 naming a field, with the `limit` that it exceeds.
Error too_many(const FieldPath& path, std::uint64_t limit);

/// A payload as the client wrote it; `null` is none. 413 beyond the limit.
Result<std::string> read_payload(JsonValue& value, const FieldPath& path, const config::LimitSettings& limits);

/// A filter, or nothing for `null`.
Result<std::optional<Filter>> read_filter(JsonValue& value, const FieldPath& path, const config::LimitSettings& limits);
/// A list of paths into payloads, as filters write them; at most kMaxPayloadPaths.
Result<std::vector<std::string>> read_payload_paths(JsonValue& value, const FieldPath& path);
inline constexpr std::size_t kMaxPayloadPaths = 256;
/// `with_payload`: true, false or a list of paths.
Result<void> read_with_payload(JsonValue& value, const FieldPath& path, Projection& out);
/// `consistency`: "any" or "primary".
Result<Consistency> read_consistency(JsonValue& value, const FieldPath& path);
Result<Consistency> parse_consistency(std::string_view text, const FieldPath& path);

}  // namespace vectorizer::rest
