#pragma once

#include <array>
#include <condition_variable>
#include <mutex>
#include <string>

#include "checkpoint_totals.hpp"
#include "server_core.hpp"
#include "vectorizer/rpc/v1/replication.pb.h"

namespace vectorizer::rpc {

namespace wire = vectorizer::rpc::v1;

/// The sending end of a checkpoint: a sink whose slices go to the caller, one on its way while the next is read. Ends
/// when the caller has gone or takes nothing for options.timeout. Deletes itself once gRPC is done with it.
class CheckpointStream final : public grpc::ServerWriteReactor<wire::CheckpointChunk>, private peer::CheckpointSink {
 public:
  CheckpointStream(ServerCore& core, grpc::CallbackServerContext& context);

  /// One of the two, once.
  void refuse(const grpc::Status& status) { Finish(status); }
  void run(peer::ReplicationPeer& source, const ShardId& shard, std::uint64_t term);

 private:
  Result<void> header(const peer::CheckpointHeader& header) override;
  Result<void> points(std::string bytes) override;
  Result<void> index(std::string bytes) override;

  /// As one chunk: the receiver of points reads each slice by itself.
  Result<void> send_slice(std::string bytes, SliceTotal& total, wire::CheckpointSlice& slice);
  /// Waits until a chunk may be filled: the one before it was taken.
  Result<void> wait_until_taken();
  wire::CheckpointChunk& next_chunk();
  void send();

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  ServerCore& core_;
  grpc::CallbackServerContext& context_;
  SliceTotal points_total_, index_total_;
  std::array<wire::CheckpointChunk, 2> chunks_;  // one is being sent, the other filled
  std::size_t filling_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool sending_ = false, broken_ = false;
};

}  // namespace vectorizer::rpc
