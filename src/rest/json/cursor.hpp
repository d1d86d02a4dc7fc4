#pragma once

#include <string>
#include <string_view>

#include "vectorizer/base/result.hpp"
#include "vectorizer/model/point_id.hpp"

namespace vectorizer::rest {

/// Where a scroll goes on: the last id that was sent, opaque to clients, with a version so that it may change.
std::string encode_cursor(const PointId& last);
/// validation_error on `cursor` for what encode_cursor() did not write.
Result<PointId> decode_cursor(std::string_view cursor);

/// What a write gives in `X-Session-Token`. It names the collection; which writes it stands for is decided by the
/// consistency of one node's shards, where every read sees every acknowledged write.
std::string encode_session_token(std::string_view collection);
/// The collection named by a token; validation_error on `X-Session-Token` for a malformed one.
Result<std::string> decode_session_token(std::string_view token);

}  // namespace vectorizer::rest
