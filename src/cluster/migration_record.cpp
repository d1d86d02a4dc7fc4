#include "vectorizer/cluster/migration_record.hpp"

#include <array>

#include "enum_names.hpp"

namespace vectorizer::cluster {
namespace {

constexpr std::array<std::string_view, 2> kCauses{"rebalance", "drain"};
constexpr std::array<std::string_view, 5> kStates{"running", "cancelling", "done", "failed", "cancelled"};

}  // namespace

std::string_view move_cause_name(MoveCause cause) {
  return kCauses.at(static_cast<std::size_t>(cause));
}
std::optional<MoveCause> move_cause_from_name(std::string_view name) {
  return from_name<MoveCause>(kCauses, name);
}
std::string_view move_state_name(MoveState state) {
  return kStates.at(static_cast<std::size_t>(state));
}
std::optional<MoveState> move_state_from_name(std::string_view name) {
  return from_name<MoveState>(kStates, name);
}

}  // namespace vectorizer::cluster
