#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "vectorizer/base/result.hpp"
#include "vectorizer/config/settings.hpp"
#include "vectorizer/model/requests.hpp"

namespace vectorizer::rest {

inline constexpr std::uint32_t kMaxTimeoutMs = 60000;
inline constexpr std::uint32_t kMaxEf = 10000;

/// The body of POST …/search.
Result<SearchQuery> parse_search(std::string_view body, std::uint32_t dimension, const config::LimitSettings& limits);
/// The body of POST …/search/batch, checked whole: an error names the search that is wrong.
Result<std::vector<SearchQuery>> parse_search_batch(std::string_view body, std::uint32_t dimension,
                                                    const config::LimitSettings& limits);

}  // namespace vectorizer::rest
