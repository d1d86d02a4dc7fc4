#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http.hpp"
#include "vectorizer/base/result.hpp"

namespace vectorizer::rest {

/// Finds the route of a request: a tree over path segments.
///
/// Segments are percent-decoded once, each on its own, so that `%2F` is part of a name. A literal segment beats a
/// placeholder, unless only the placeholder's route has the method: `GET …/vectors/count` is the vector named "count".
/// One trailing slash is ignored. HEAD finds the route of GET.
class Router {
 public:
  explicit Router(std::vector<Route> routes);
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  /// The index of the route in routes(); fills `params`. Errors: validation_error for a bad `%`, not_found naming the
  /// path, method_not_allowed with details.allowed.
  Result<std::size_t> match(Method method, std::string_view path, std::vector<std::string>& params) const;
  /// The methods that `path` has, in the order of the enumeration; empty for a path that does not exist.
  std::vector<Method> allowed(std::string_view path) const;
  const std::vector<Route>& routes() const { return routes_; }

 private:
  struct Node;
  using Segments = std::vector<std::string>;

  static std::optional<Segments> split(std::string_view path);
  const std::size_t* find(const Node& node, const Segments& segments, std::size_t depth, Method method,
                          std::vector<std::string>& params) const;
  void collect(const Node& node, const Segments& segments, std::size_t depth, unsigned& methods) const;

  std::vector<Route> routes_;
  std::unique_ptr<Node> root_;
};

}  // namespace vectorizer::rest
