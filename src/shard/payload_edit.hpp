#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "vectorizer/base/result.hpp"
#include "vectorizer/model/requests.hpp"

namespace vectorizer::shard {

/// A payload may not grow past this by merging; what a client sends whole is bounded where it is parsed.
inline constexpr std::size_t kMaxMergedPayloadBytes = std::size_t{1} << 20;

/// The payload `old` after `change` by `mode` (kDeleteKeys takes `keys`, which are paths); nothing when it stays as it
/// is. No payload counts as {}. Names keep their order, and every value that is not changed keeps its bytes.
Result<std::optional<std::string>> edit_payload(std::string_view old, PayloadMode mode, std::string_view change,
                                                std::span<const std::string> keys);

/// The payload with only what these paths name, the values byte for byte; in an array on the way the elements that have
/// it. `payload` is a valid JSON object or empty.
std::string project_payload(std::string_view payload, std::span<const std::string> keys);

/// What `what` lets through of a payload.
std::string project_payload(std::string_view payload, const Projection& what);

}  // namespace vectorizer::shard
