#include "raft_records.hpp"

#include <fmt/format.h>

#include <bit>
#include <limits>

namespace vectorizer::consensus {
namespace {

static_assert(std::endian::native == std::endian::little, "integers in values are written as they lie in memory");

constexpr std::uint64_t kFormat = 1;
constexpr std::uint32_t kMaxServers = 1000;

template <typename Integer>
void append(std::string& out, Integer value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}

/// Takes integers and strings from the front of a value; once something is missing, everything is.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  template <typename Integer>
  Integer take() {
    Integer value{};
    const auto bytes = take_bytes(sizeof value);
    if (bytes.size() == sizeof value) std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  std::string_view take_bytes(std::uint64_t count) {
    if (rest_.size() < count) {
      short_ = true;
      rest_ = {};
      return {};
    }
    const auto bytes = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return bytes;
  }
  std::string_view rest() const { return rest_; }
  bool complete() const { return !short_; }
  bool complete_and_empty() const { return !short_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool short_ = false;
};

Error damaged(std::string_view what) {
  return {ErrorType::kConflict, fmt::format("the Raft store is damaged: {}", what)};
}

}  // namespace

std::string encode_format(raft_id owner) {
  std::string value;
  append(value, kFormat);
  append(value, std::uint64_t{owner});
  return value;
}

Result<raft_id> decode_format(std::string_view value) {
  Reader reader(value);
  const auto format = reader.take<std::uint64_t>();
  const auto owner = reader.take<std::uint64_t>();
  if (!reader.complete_and_empty()) return damaged("its format record has the wrong length");
  if (format != kFormat) {
    return Error{ErrorType::kInternal,
                 fmt::format("the Raft store has format {}, this build knows {}", format, kFormat)};
  }
  return raft_id{owner};
}

std::string encode_hard_state(const HardState& state) {
  std::string value;
  append(value, std::uint64_t{state.term});
  append(value, std::uint64_t{state.vote});
  return value;
}

Result<HardState> decode_hard_state(std::string_view value) {
  Reader reader(value);
  HardState state;
  state.term = reader.take<std::uint64_t>();
  state.vote = reader.take<std::uint64_t>();
  if (!reader.complete_and_empty()) return damaged("the record of term and vote has the wrong length");
  return state;
}

std::string entry_key(raft_index index) {
  std::string key = kRaftEntryPrefix;
  for (int shift = 56; shift >= 0; shift -= 8) key += static_cast<char>(index >> shift & 0xFFU);
  return key;
}

std::optional<raft_index> index_of_key(std::string_view key) {
  if (key.size() != 9 || !key.starts_with(kRaftEntryPrefix)) return std::nullopt;
  raft_index index = 0;
  for (const char byte : key.substr(1)) index = index << 8 | static_cast<unsigned char>(byte);
  return index;
}

std::string encode_entry(const raft_entry& entry) {
  std::string value;
  value.reserve(sizeof(std::uint64_t) + 1 + entry.buf.len);
  append(value, std::uint64_t{entry.term});
  append(value, static_cast<std::uint8_t>(entry.type));
  value.append(static_cast<const char*>(entry.buf.base), entry.buf.len);
  return value;
}

Result<raft_entry> decode_entry(std::string_view value) {
  Reader reader(value);
  raft_entry entry{};
  entry.term = reader.take<std::uint64_t>();
  const auto type = reader.take<std::uint8_t>();
  if (!reader.complete()) return damaged("an entry of the log is too short");
  if (entry.term == 0 || type < RAFT_COMMAND || type > RAFT_CHANGE) {
    return damaged(fmt::format("an entry of the log has term {} and type {}", entry.term, type));
  }
  entry.type = static_cast<raft_entry_type>(type);
  entry.buf = raft_copy(reader.rest());
  entry.batch = entry.buf.base;
  return entry;
}

std::string encode_snapshot(const raft_snapshot& snapshot) {
  std::string value;
  append(value, std::uint64_t{snapshot.index});
  append(value, std::uint64_t{snapshot.term});
  append(value, std::uint64_t{snapshot.configuration_index});
  append(value, std::uint32_t{snapshot.configuration.n});
  for (unsigned i = 0; i < snapshot.configuration.n; ++i) {
    const auto& server = snapshot.configuration.servers[i];
    const std::string_view address = server.address;
    append(value, std::uint64_t{server.id});
    append(value, static_cast<std::uint8_t>(server.role));
    append(value, static_cast<std::uint32_t>(address.size()));
    value += address;
  }
  for (unsigned i = 0; i < snapshot.n_bufs; ++i) {
    value.append(static_cast<const char*>(snapshot.bufs[i].base), snapshot.bufs[i].len);
  }
  return value;
}

Result<OwnedSnapshot> decode_snapshot(std::string_view value) {
  Reader reader(value);
  OwnedSnapshot snapshot(raft_allocate_zeroed<raft_snapshot>());
  raft_configuration_init(&snapshot->configuration);
  snapshot->index = reader.take<std::uint64_t>();
  snapshot->term = reader.take<std::uint64_t>();
  snapshot->configuration_index = reader.take<std::uint64_t>();
  const auto servers = reader.take<std::uint32_t>();
  if (servers > kMaxServers) return damaged(fmt::format("its snapshot has {} members", servers));
  for (std::uint32_t i = 0; i < servers && reader.complete(); ++i) {
    const auto id = reader.take<std::uint64_t>();
    const auto role = reader.take<std::uint8_t>();
    const std::string address(reader.take_bytes(reader.take<std::uint32_t>()));
    if (!reader.complete()) break;
    if (const int status = raft_configuration_add(&snapshot->configuration, id, address.c_str(), role); status != 0) {
      return damaged(fmt::format("its snapshot has the member {}: {}", id, raft_strerror(status)));
    }
  }
  if (!reader.complete()) return damaged("its snapshot is cut off");
  if (snapshot->index == 0 || snapshot->term == 0) return damaged("its snapshot has no position");
  snapshot->bufs = raft_allocate_zeroed<raft_buffer>();
  snapshot->n_bufs = 1;
  snapshot->bufs[0] = raft_copy(reader.rest());
  return snapshot;
}

std::string pack_state(std::string_view state) {
  std::string packed;
  packed.reserve(sizeof(std::uint64_t) + state.size() + 7);
  append(packed, std::uint64_t{state.size()});
  packed += state;
  packed.resize((packed.size() + 7) & ~std::size_t{7});
  return packed;
}

Result<std::string_view> unpack_state(std::string_view packed) {
  Reader reader(packed);
  const auto state = reader.take_bytes(reader.take<std::uint64_t>());
  if (!reader.complete()) return damaged("the state in its snapshot is cut off");
  return state;
}

}  // namespace vectorizer::consensus
