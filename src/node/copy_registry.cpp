#include "copy_registry.hpp"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

namespace vectorizer::node {
namespace {

constexpr std::string_view kPrefix = "copy/";
constexpr auto kNext = "copy-next";

std::string key_of(const ShardId& shard) {
  return fmt::format("{}{}", kPrefix, shard.value());
}

template <typename Number>
Result<Number> parse(std::string_view key, std::string_view text) {
  Number number{};
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc{} || end != text.data() + text.size()) {
    return Error{ErrorType::kInternal, fmt::format("local metadata '{}' is damaged: '{}' is not a number", key, text)};
  }
  return number;
}

}  // namespace

Result<CopyRegistry> CopyRegistry::load(storage::Database& database) {
  CopyRegistry registry(database);
  ASSIGN_OR_RETURN(const auto next, database.get_local(kNext));
  if (next) {
    ASSIGN_OR_RETURN(registry.next_, parse<storage::CopyNumber>(kNext, *next));
  }
  ASSIGN_OR_RETURN(const auto records, database.list_local(std::string(kPrefix)));
  for (const auto& [key, value] : records) {
    ASSIGN_OR_RETURN(const auto shard, parse<std::uint64_t>(key, std::string_view(key).substr(kPrefix.size())));
    ASSIGN_OR_RETURN(const auto copy, parse<storage::CopyNumber>(key, value));
    registry.copies_.emplace(ShardId(shard), copy);
  }
  return registry;
}

Result<storage::CopyNumber> CopyRegistry::allocate(const ShardId& shard) {
  const auto copy = next_;
  // The counter first: a crash in between wastes a number and reuses none.
  RETURN_IF_ERROR(database_->put_local(kNext, std::to_string(copy + 1)));
  ++next_;
  RETURN_IF_ERROR(database_->put_local(key_of(shard), std::to_string(copy)));
  copies_[shard] = copy;
  return copy;
}

Result<void> CopyRegistry::drop(const ShardId& shard) {
  const auto found = copies_.find(shard);
  if (found == copies_.end()) return {};
  RETURN_IF_ERROR(database_->drop_store(found->second));
  RETURN_IF_ERROR(database_->delete_local(key_of(shard)));
  copies_.erase(found);
  return {};
}

}  // namespace vectorizer::node
