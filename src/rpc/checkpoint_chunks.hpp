#pragma once

#include <string>
#include <utility>

#include "checkpoint_totals.hpp"
#include "vectorizer/base/result.hpp"
#include "vectorizer/peer/replication_peer.hpp"
#include "vectorizer/rpc/v1/replication.pb.h"

namespace vectorizer::rpc {

namespace wire = vectorizer::rpc::v1;

/// Feeds the chunks of a checkpoint to a sink in the one order that is right: header, points, index, end. Every slice
/// and the whole must be what was sent. After an error it takes no more.
class CheckpointChunks {
 public:
  /// @param from the node that sends, for errors
  CheckpointChunks(std::string from, peer::CheckpointSink& sink) : from_(std::move(from)), sink_(sink) {}

  /// Takes what `chunk` holds. True: it was the end, and the checkpoint is complete.
  Result<bool> take(wire::CheckpointChunk& chunk);

 private:
  Result<void> take_slice(wire::CheckpointSlice& slice, SliceTotal& total,
                          Result<void> (peer::CheckpointSink::*receive)(std::string));
  bool is_all(const wire::CheckpointEnd& end) const;
  Error damaged(const char* what) const;

  const std::string from_;
  peer::CheckpointSink& sink_;
  SliceTotal points_, index_;
  bool headed_ = false;
};

}  // namespace vectorizer::rpc
