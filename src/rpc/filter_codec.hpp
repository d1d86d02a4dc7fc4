#pragma once

#include "vectorizer/base/result.hpp"
#include "vectorizer/model/filter.hpp"
#include "vectorizer/rpc/v1/filter.pb.h"

namespace vectorizer::rpc {

namespace wire = vectorizer::rpc::v1;

void encode_id(const PointId& id, wire::Id& out);
PointId decode_id(const wire::Id& in);

/// Exact: no value is rounded, reordered or read from text again.
void encode_filter(const Filter& filter, wire::Filter& out);
/// Refuses what encode_filter does not write: a group that is named twice, above itself, or not at all, a condition
/// without a test; and groups nested far deeper than any client's filter may be.
Result<Filter> decode_filter(const wire::Filter& in);

}  // namespace vectorizer::rpc
