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

}  // namespace vectorizer::rest
