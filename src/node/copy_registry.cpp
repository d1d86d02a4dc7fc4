#include "copy_registry.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace vectorizer::node {
namespace {

constexpr std::string_view kPrefix = "copy/";
constexpr std::string_view kDropPrefix = "copy-drop/";
constexpr auto kNext = "copy-next";

std::string key_of(const ShardId& shard) {
  return fmt::format("{}{}", kPrefix, shard.value());
}
std::string drop_key_of(storage::CopyNumber number) {
  return fmt::format("{}{}", kDropPrefix, number);
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

Result<LocalCopy> parse_copy(std::string_view key, std::string_view text) {
  LocalCopy copy;
  const auto first = text.find(' ');
  ASSIGN_OR_RETURN(copy.number, parse<storage::CopyNumber>(key, text.substr(0, first)));
  if (first == std::string_view::npos) return copy;
  const auto second = text.find(' ', first + 1);
  ASSIGN_OR_RETURN(copy.id, parse<std::uint64_t>(key, text.substr(first + 1, second - first - 1)));
  if (second == std::string_view::npos) return copy;
  ASSIGN_OR_RETURN(copy.epoch, parse<std::uint64_t>(key, text.substr(second + 1)));
  return copy;
}

}  // namespace

Result<std::map<ShardId, LocalCopy>> CopyRegistry::read(const storage::Database& database) {
  std::map<ShardId, LocalCopy> copies;
  ASSIGN_OR_RETURN(const auto records, database.list_local(std::string(kPrefix)));
  for (const auto& [key, value] : records) {
    ASSIGN_OR_RETURN(const auto shard, parse<std::uint64_t>(key, std::string_view(key).substr(kPrefix.size())));
    ASSIGN_OR_RETURN(const auto copy, parse_copy(key, value));
    copies.emplace(ShardId(shard), copy);
  }
  return copies;
}

Result<void> CopyRegistry::check_numbers(const std::set<storage::CopyNumber>& drops) const {
  std::set<storage::CopyNumber> numbers;
  for (const auto& [shard, copy] : copies_) {
    const char* problem = nullptr;
    if (copy.number >= next_) problem = "has a number that is yet to be given out";
    if (drops.count(copy.number) > 0) problem = "is to be dropped";
    if (!numbers.insert(copy.number).second) problem = "has the number of another";
    if (problem == nullptr) continue;
    return Error{ErrorType::kInternal,
                 fmt::format("local metadata '{}' is damaged: copy {} {}", key_of(shard), copy.number, problem)};
  }
  return {};
}

Result<CopyRegistry> CopyRegistry::load(storage::Database& database) {
  CopyRegistry registry(database);
  ASSIGN_OR_RETURN(const auto next, database.get_local(kNext));
  if (next) {
    ASSIGN_OR_RETURN(registry.next_, parse<storage::CopyNumber>(kNext, *next));
  }
  ASSIGN_OR_RETURN(registry.copies_, read(database));
  ASSIGN_OR_RETURN(const auto records, database.list_local(std::string(kDropPrefix)));
  std::set<storage::CopyNumber> drops;
  for (const auto& [key, value] : records) {
    ASSIGN_OR_RETURN(const auto number,
                     parse<storage::CopyNumber>(key, std::string_view(key).substr(kDropPrefix.size())));
    drops.insert(number);
  }
  RETURN_IF_ERROR(registry.check_numbers(drops));
  for (const auto number : drops) RETURN_IF_ERROR(registry.discard(number));
  return registry;
}

Result<storage::CopyNumber> CopyRegistry::allocate() {
  const auto number = next_;
  if (number == std::numeric_limits<storage::CopyNumber>::max()) {
    return Error{ErrorType::kInternal, "this node has had as many copies of shards as there are numbers"};
  }
  // Until it is recorded, a crash leaves it to be dropped.
  const std::array writes{storage::LocalWrite{kNext, std::to_string(number + 1)},
                          storage::LocalWrite{drop_key_of(number), ""}};
  RETURN_IF_ERROR(database_->write_local(writes));
  ++next_;
  return number;
}

Result<void> CopyRegistry::record(const ShardId& shard, const LocalCopy& copy) {
  const auto before = copies_.find(shard);
  const bool replaces = before != copies_.end() && before->second.number != copy.number;
  std::vector<storage::LocalWrite> writes{{key_of(shard), fmt::format("{} {} {}", copy.number, copy.id, copy.epoch)},
                                          {drop_key_of(copy.number), std::nullopt}};
  if (replaces) writes.push_back({drop_key_of(before->second.number), ""});
  RETURN_IF_ERROR(database_->write_local(writes));
  const auto old = replaces ? std::optional(before->second.number) : std::nullopt;
  copies_[shard] = copy;
  return old ? discard(*old) : Result<void>();
}

Result<void> CopyRegistry::drop(const ShardId& shard) {
  const auto found = copies_.find(shard);
  if (found == copies_.end()) return {};
  const auto number = found->second.number;
  const std::array writes{storage::LocalWrite{key_of(shard), std::nullopt},
                          storage::LocalWrite{drop_key_of(number), ""}};
  RETURN_IF_ERROR(database_->write_local(writes));
  copies_.erase(found);
  return discard(number);
}

Result<void> CopyRegistry::discard(storage::CopyNumber number) {
  RETURN_IF_ERROR(database_->drop_store(number));
  return database_->delete_local(drop_key_of(number));
}

}  // namespace vectorizer::node
