#include <string_view>

#include "metadata_machine.hpp"
#include "raft_node.hpp"
#include "raft_records.hpp"
#include "raft_store.hpp"
#include "vectorizer/consensus/raft_metadata_log.hpp"

namespace vectorizer::consensus {

Result<StoredMetadata> read_stored_metadata(const RaftOptions& options) {
  ASSIGN_OR_RETURN(const auto store, RaftStore::open(options.directory / "store", options.raft_id));
  ASSIGN_OR_RETURN(const auto log, store->load());
  MetadataMachine machine([](const auto&) {});
  StoredMetadata found;
  if (log.snapshot) {
    const auto& buffer = log.snapshot->bufs[0];
    ASSIGN_OR_RETURN(const auto state, unpack_state({static_cast<const char*>(buffer.base), buffer.len}));
    RETURN_IF_ERROR(machine.restore(state));
    found.term = log.snapshot->term;
    found.index = log.snapshot->index;
  }
  for (std::size_t i = 0; i < log.entries.size(); ++i) {
    const auto& entry = log.entries[i];
    found.term = entry.term;
    found.index = log.first + i;
    if (found.index <= (log.snapshot ? log.snapshot->index : 0) || entry.type != RAFT_COMMAND) continue;
    ASSIGN_OR_RETURN(const auto command, command_of_entry({static_cast<const char*>(entry.buf.base), entry.buf.len}));
    const auto applied = machine.apply(command);  // what was refused then is refused again
    if (!applied) return applied.error();
  }
  found.metadata = *machine.current();
  return found;
}

}  // namespace vectorizer::consensus
