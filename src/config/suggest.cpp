#include "suggest.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "key_table.hpp"

namespace vectorizer::config {
namespace {

constexpr std::size_t kMaxCompared = 128;  // bytes; longer names are no typing mistakes

/// Levenshtein's, by rows.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

std::string_view last_part(std::string_view path) {
  return path.substr(path.rfind('.') + 1);
}

}  // namespace

std::optional<std::string> nearest_name(std::string_view wrong, std::span<const std::string> known) {
  if (wrong.size() > kMaxCompared) return std::nullopt;
  const std::string* best = nullptr;
  std::size_t best_distance = std::max<std::size_t>(2, last_part(wrong).size() / 3) + 1;
  for (const auto& name : known) {
    const auto distance = edit_distance(wrong, name);
    if (distance < best_distance) {
      best = &name;
      best_distance = distance;
    }
  }
  if (best != nullptr) return *best;
  // A known key under the wrong section.
  for (const auto& name : known) {
    if (last_part(name) == last_part(wrong)) return name;
  }
  return std::nullopt;
}

std::string unknown_key(std::string_view wrong, std::span<const std::string> known) {
  const auto nearest = nearest_name(wrong, known);
  return nearest ? "unknown key; did you mean " + *nearest + "?" : "unknown key";
}

const std::vector<std::string>& known_paths() {
  static const std::vector<std::string> paths = [] {
    std::vector<std::string> list;
    for (const auto& key : setting_keys()) {
      const std::string section(section_of(key.path));
      if (std::find(list.begin(), list.end(), section) == list.end()) list.push_back(section);
      list.emplace_back(key.path);
    }
    list.emplace_back(kServersPath);
    return list;
  }();
  return paths;
}

}  // namespace vectorizer::config
