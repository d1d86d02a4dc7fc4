#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "vectorizer/cluster/metadata_command.hpp"

namespace vectorizer::cluster {

/// One line of a history: `promote shard=3 to=node-2 term=1 version=4`.
struct HistoryLine {
  std::string verb;
  std::string name;  ///< the word without '='; empty for none
  std::map<std::string, std::string> values;

  static HistoryLine parse(std::string_view text);
  std::string text(const std::string& key, const std::string& otherwise = "") const;
  std::uint64_t number(const std::string& key, std::uint64_t otherwise = 0) const;
};

/// Metadata that a history is applied to. Every command and every state also passes through its encoded form.
class History {
 public:
  /// What became of the line: "ok" and the state that it changed, or the refusal.
  std::string run(const HistoryLine& line);

 private:
  MetadataCommand command_of(const HistoryLine& line) const;
  std::string show(const HistoryLine& line) const;

  ClusterMetadata metadata_;
};

/// The state of a shard in one line.
std::string describe(const ShardPlacement& placement);

}  // namespace vectorizer::cluster
