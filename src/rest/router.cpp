#include "router.hpp"

#include <fmt/format.h>

#include <array>
#include <cassert>
#include <optional>
#include <utility>

#include "url.hpp"
#include "vectorizer/base/json_text.hpp"

namespace vectorizer::rest {
namespace {

constexpr std::size_t kMethods = 7;
constexpr std::size_t kMaxSegments = 16;

std::size_t slot(Method method) {
  return static_cast<std::size_t>(method);
}

}  // namespace

struct Router::Node {
  std::vector<std::pair<std::string, std::unique_ptr<Node>>> literals;
  std::unique_ptr<Node> placeholder;
  std::array<std::optional<std::size_t>, kMethods> routes;

  Node& child(std::string_view segment) {
    if (segment.starts_with('{')) {
      if (!placeholder) placeholder = std::make_unique<Node>();
      return *placeholder;
    }
    for (auto& [name, node] : literals) {
      if (name == segment) return *node;
    }
    return *literals.emplace_back(segment, std::make_unique<Node>()).second;
  }
  const Node* literal(std::string_view segment) const {
    for (const auto& [name, node] : literals) {
      if (name == segment) return node.get();
    }
    return nullptr;
  }
};

Router::Router(std::vector<Route> routes) : routes_(std::move(routes)), root_(std::make_unique<Node>()) {
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    const auto segments = split(routes_[i].pattern);
    assert(segments);
    Node* node = root_.get();
    for (const auto& segment : *segments) node = &node->child(segment);
    auto& place = node->routes[slot(routes_[i].method)];
    assert(!place && "two routes of one method and pattern");
    place = i;
  }
}

Router::~Router() = default;

// Nothing for a bad escape.
std::optional<Router::Segments> Router::split(std::string_view path) {
  Segments segments;
  if (path.starts_with('/')) path.remove_prefix(1);
  if (path.ends_with('/')) path.remove_suffix(1);
  if (path.empty()) return segments;
  for (;;) {
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view raw = path.substr(0, end);
    if (raw.find('%') == std::string_view::npos) {
      segments.emplace_back(raw);
    } else {
      auto decoded = percent_decode(raw);
      if (!decoded) return std::nullopt;
      segments.push_back(std::move(*decoded));
    }
    // One segment more than any route has is enough to know that none matches.
    if (end == path.size() || segments.size() > kMaxSegments) return segments;
    path.remove_prefix(end + 1);
  }
}

const std::size_t* Router::find(const Node& node, const Segments& segments, std::size_t depth, Method method,
                                std::vector<std::string>& params) const {
  if (depth == segments.size()) {
    const auto& exact = node.routes[slot(method)];
    if (exact) return &*exact;
    const auto& get = node.routes[slot(Method::kGet)];
    return method == Method::kHead && get ? &*get : nullptr;
  }
  if (const Node* next = node.literal(segments[depth])) {
    if (const auto* route = find(*next, segments, depth + 1, method, params)) return route;
  }
  if (!node.placeholder || segments[depth].empty()) return nullptr;
  params.push_back(segments[depth]);
  if (const auto* route = find(*node.placeholder, segments, depth + 1, method, params)) return route;
  params.pop_back();
  return nullptr;
}

void Router::collect(const Node& node, const Segments& segments, std::size_t depth, unsigned& methods) const {
  if (depth == segments.size()) {
    for (std::size_t i = 0; i < kMethods; ++i) {
      if (node.routes[i]) methods |= 1U << i;
    }
    return;
  }
  if (const Node* next = node.literal(segments[depth])) collect(*next, segments, depth + 1, methods);
  if (node.placeholder && !segments[depth].empty()) collect(*node.placeholder, segments, depth + 1, methods);
}

std::vector<Method> Router::allowed(std::string_view path) const {
  std::vector<Method> methods;
  const auto segments = split(path);
  if (!segments || !path.starts_with('/')) return methods;
  unsigned bits = 0;
  collect(*root_, *segments, 0, bits);
  if (bits & (1U << slot(Method::kGet))) bits |= 1U << slot(Method::kHead);
  for (std::size_t i = 0; i < kMethods; ++i) {
    if (bits & (1U << i)) methods.push_back(static_cast<Method>(i));
  }
  return methods;
}

Result<std::size_t> Router::match(Method method, std::string_view path, std::vector<std::string>& params) const {
  params.clear();
  const auto segments = split(path);
  if (!segments) return invalid_field("path", "a % is not followed by two hexadecimal digits");
  if (path.starts_with('/')) {
    if (const auto* route = find(*root_, *segments, 0, method, params)) return *route;
  }
  const auto methods = allowed(path);
  const std::string shown = printable_path(path);
  if (methods.empty()) {
    return Error{ErrorType::kNotFound, fmt::format("there is nothing at {}", shown)}.with("path", shown);
  }
  Error error{ErrorType::kMethodNotAllowed, fmt::format("{} has no method {}", shown, method_name(method))};
  error.details = "{\"allowed\":[";
  for (std::size_t i = 0; i < methods.size(); ++i) {
    if (i > 0) error.details += ',';
    append_json_string(error.details, method_name(methods[i]));
  }
  error.details += "]}";
  return error;
}

}  // namespace vectorizer::rest
