#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "vectorizer/base/result.hpp"
#include "vectorizer/model/session.hpp"

namespace vectorizer::rest {

inline constexpr std::size_t kMaxTokenBytes = 4096;

/// The `X-Session-Token` of a session that has written these: opaque to clients, with a version so that it may change.
/// Where that is more than fits (several hundred shards) the shards with the smallest ids are left out: reads still see
/// the writes, only their loss would not be noticed.
std::string encode_session_token(const ShardPositions& positions);
/// validation_error on `X-Session-Token` for what encode_session_token() did not write.
Result<ShardPositions> decode_session_token(std::string_view token);

}  // namespace vectorizer::rest
