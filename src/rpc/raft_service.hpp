#pragma once

#include <condition_variable>
#include <list>
#include <mutex>
#include <set>
#include <thread>

#include "server_core.hpp"
#include "vectorizer/rpc/v1/raft.grpc.pb.h"

namespace vectorizer::rpc {

namespace wire = vectorizer::rpc::v1;

class IncomingStream;

/// Accepts Raft streams. Each has a thread for as long as it lives, because the metadata log serves it on the calling
/// thread; none of them is one of gRPC's. Thread-safe.
class RaftServiceImpl final : public wire::RaftService::CallbackService {
 public:
  explicit RaftServiceImpl(ServerCore& core) : core_(core) {}
  ~RaftServiceImpl() override { stop(); }

  grpc::ServerBidiReactor<wire::Bytes, wire::Bytes>* Stream(grpc::CallbackServerContext* context) override;
  /// Ends all streams and waits for their threads. To be called before gRPC shuts down: streams end by nothing else.
  void stop();

 private:
  bool begin(IncomingStream& stream);
  void run(IncomingStream& stream, std::list<std::thread>::iterator self);
  void join_finished();

  ServerCore& core_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool stopped_ = false;
  std::set<IncomingStream*> streams_;
  std::list<std::thread> running_, finished_;
};

}  // namespace vectorizer::rpc
