#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "vectorizer/config/settings.hpp"

namespace vectorizer::config {

/// The place of a value in a struct; its type is the type of the key.
using Target = std::variant<bool*, std::uint16_t*, std::uint32_t*, std::uint64_t*, double*, std::string*>;

/// Rule of a text beyond being one.
enum class TextRule : std::uint8_t {
  kAny,
  kNotEmpty,
  kListenHost,
  kNodeId,
  kHost,
  kOptional,            ///< any; empty means that it is not set
  kOptionalListenHost,  ///< empty, or as kListenHost
  kOptionalHost,        ///< empty, or as kHost
  kSecret,              ///< like kOptional, and never shown
};

/// One key. The table of these drives the file, the environment, the flags, the printed YAML and the documentation.
template <typename Owner>
struct Key {
  std::string_view path;  ///< "server.port"; inside an element of a list, relative to it
  Target (*target)(Owner&);
  std::string_view unit;     ///< empty for none
  double min, max;           ///< of numbers, inclusive
  std::string_view choices;  ///< of a text: "always interval", separated by spaces; empty for any
  TextRule rule;
  std::string_view help;
};

using SettingKey = Key<Settings>;
using ServerKey = Key<ClusterServer>;

/// Sections one after the other, in the order in which they are shown.
std::span<const SettingKey> setting_keys();
/// Of one element of cluster.servers.
std::span<const ServerKey> server_keys();
inline constexpr std::string_view kServersPath = "cluster.servers";
inline constexpr std::size_t kMaxServers = 1024;

/// VECTORIZER_SERVER_PORT for "server.port".
std::string environment_name(std::string_view path);
/// "server" of "server.port".
std::string_view section_of(std::string_view path);
bool is_section(std::string_view name);

}  // namespace vectorizer::config
