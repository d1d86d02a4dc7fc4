#pragma once

#include <string>
#include <vector>

#include "vectorizer/coordinator/data_plane.hpp"
#include "vectorizer/model/requests.hpp"

namespace vectorizer::rest {

// Replies of the hot paths are appended to one string; payloads go out as the bytes that came in.

/// `{"id","payload"?,"vector"?}`; a point without a payload shows `{}` where payloads are asked for.
void append_point(std::string& out, const Point& point, const Projection& what);
/// `{"results","took_ms","shards"}`
void append_search_reply(std::string& out, const coordinator::SearchReply& reply, const Projection& what,
                         double took_ms);
/// `{"vectors","next_cursor"}`
std::string scroll_reply(const coordinator::ScrollReply& reply, const Projection& what);
/// `{"vectors","missing"}`; `points` answers `ids` one for one.
std::string get_reply(const std::vector<PointId>& ids, const std::vector<std::optional<Point>>& points,
                      const Projection& what);

}  // namespace vectorizer::rest
