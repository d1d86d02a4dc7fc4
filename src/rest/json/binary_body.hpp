#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "json/write_body.hpp"
#include "vectorizer/base/result.hpp"
#include "vectorizer/config/settings.hpp"
#include "vectorizer/model/requests.hpp"

namespace vectorizer::rest {

// application/octet-stream bodies; docs/formats/binary-vectors.md is the layout.

/// A batch of integer ids and vectors without payloads; checked and reduced like parse_upsert().
Result<WriteOps> parse_binary_upsert(std::string_view body, std::uint32_t dimension,
                                     const config::LimitSettings& limits);
/// A query vector and a limit; everything else has its default.
Result<SearchQuery> parse_binary_search(std::string_view body, std::uint32_t dimension,
                                        const config::LimitSettings& limits);

}  // namespace vectorizer::rest
