// What the nodes agree on, as it is read from a disk or from another node: the metadata in both of its stored forms,
// and the commands that change it. Decoding succeeds or is an error; what was decoded encodes to what decodes to the
// same; and a command that was decoded can be applied to whatever earlier commands made. The first byte chooses: '0'
// the first.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fuzzing.hpp"
#include "vectorizer/cluster/cluster_metadata.hpp"
#include "vectorizer/cluster/metadata_command.hpp"
#include "vectorizer/cluster/metadata_records.hpp"

namespace {

using namespace vectorizer;  // NOLINT(google-build-using-namespace)
using fuzzing::require;

using Records = std::vector<std::pair<std::string, std::string>>;

Records records_of(const cluster::ClusterMetadata& metadata) {
  Records records;
  for (auto& change : cluster::changed_records({}, metadata)) {
    require(change.value.has_value(), "a record is deleted that was never there");
    records.emplace_back(std::move(change.key), std::move(*change.value));
  }
  return records;
}

/// Both stored forms give back what they were made of.
void check_stored_forms(const cluster::ClusterMetadata& metadata) {
  const std::string encoded = cluster::encode_metadata(metadata);
  const auto again = cluster::decode_metadata(encoded);
  require(bool(again), "what was encoded cannot be decoded");
  require(cluster::encode_metadata(*again) == encoded, "metadata encodes to other bytes");
  require(again->epoch == metadata.epoch && again->nodes == metadata.nodes, "other nodes");
  require(again->placements == metadata.placements, "other placements");
  require(cluster::metadata_digest(*again) == cluster::metadata_digest(metadata), "another digest");
  for (const auto& [name, record] : metadata.collections) {
    const auto* found = again->find(name);
    require(found != nullptr && found->config == record.config && found->shards == record.shards, "other collections");
    for (std::uint64_t id = 0; id < 8; ++id) {
      require(record.shard_of(PointId(id)) == found->shard_of(PointId(id)), "a point changed its shard");
    }
  }
  const auto from_records = cluster::decode_records(records_of(metadata));
  require(bool(from_records), "records that were written cannot be read");
  require(cluster::encode_metadata(*from_records) == encoded, "the records hold something else");
}

void check_metadata(std::string_view bytes) {
  if (const auto metadata = cluster::decode_metadata(bytes)) check_stored_forms(*metadata);
}

/// Each line is a record: its key, a tab, its value.
void check_records(std::string_view bytes) {
  Records records;
  while (!bytes.empty()) {
    const auto line = bytes.substr(0, bytes.find('\n'));
    bytes.remove_prefix(std::min(line.size() + 1, bytes.size()));
    const auto tab = std::min(line.find('\t'), line.size());
    records.emplace_back(line.substr(0, tab), line.substr(std::min(tab + 1, line.size())));
  }
  if (const auto metadata = cluster::decode_records(records)) check_stored_forms(*metadata);
}

/// Each line is a command; they are applied one after the other.
void check_commands(std::string_view bytes) {
  cluster::ClusterMetadata metadata;
  bool changed = false;
  while (!bytes.empty()) {
    const auto line = bytes.substr(0, bytes.find('\n'));
    bytes.remove_prefix(std::min(line.size() + 1, bytes.size()));
    const auto command = cluster::decode_command(line);
    if (!command) {
      require(!command.error().message.empty(), "an error without a message");
      continue;
    }
    const std::string encoded = cluster::encode_command(*command);
    const auto again = cluster::decode_command(encoded);
    require(bool(again), "a command that was encoded cannot be decoded");
    require(cluster::encode_command(*again) == encoded, "a command encodes to other bytes");
    require(cluster::command_name(*again) == cluster::command_name(*command), "another command");
    auto next = cluster::apply(metadata, *command);
    if (!next) continue;
    require(next->epoch >= metadata.epoch, "an epoch went back");
    metadata = std::move(*next);
    changed = true;
  }
  if (changed) check_stored_forms(metadata);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (static_cast<std::uint8_t>(data[0] - '0') % 3) {
    case 0:
      check_metadata(bytes);
      break;
    case 1:
      check_records(bytes);
      break;
    default:
      check_commands(bytes);
  }
  return 0;
}
