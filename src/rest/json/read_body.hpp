#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "vectorizer/base/result.hpp"
#include "vectorizer/config/settings.hpp"
#include "vectorizer/model/requests.hpp"

namespace vectorizer::rest {

struct GetBody {
  std::vector<PointId> ids;  ///< each once, in the order of their first mention
  Projection what{.with_payload = true, .with_vector = true, .payload_keys = {}};
  Consistency consistency = Consistency::kPrimary;
};
struct ScrollBody {
  ScrollQuery query;
  Consistency consistency = Consistency::kPrimary;
};
struct CountBody {
  std::optional<Filter> filter;
  Consistency consistency = Consistency::kPrimary;
};

/// The body of POST …/vectors/get.
Result<GetBody> parse_get(std::string_view body, const config::LimitSettings& limits);
/// The body of POST …/vectors/scroll; an empty one asks for the first page.
Result<ScrollBody> parse_scroll(std::string_view body, const config::LimitSettings& limits);
/// The body of POST …/vectors/count; an empty one counts everything.
Result<CountBody> parse_count(std::string_view body, const config::LimitSettings& limits);

}  // namespace vectorizer::rest
