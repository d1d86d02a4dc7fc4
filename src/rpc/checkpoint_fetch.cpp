#include "checkpoint_fetch.hpp"

#include <fmt/format.h>
#include <grpcpp/completion_queue.h>

#include <utility>

#include "call.hpp"
#include "checkpoint_chunks.hpp"
#include "vectorizer/rpc/v1/replication.grpc.pb.h"

namespace vectorizer::rpc {
namespace {

namespace wire = vectorizer::rpc::v1;

/// The stream, read by one thread. A completion queue, because its waits have deadlines; a plain Read has none.
class ChunkReader {
 public:
  ChunkReader(ClientCore& core, Line<wire::ReplicationService>& line, const std::shared_ptr<CallProver>& session)
      : core_(core), line_(line) {
    prepare(context_, core, line.target, Method::kFetchCheckpoint, session, Clock::time_point::max());
    added_ = core.calls.add(context_);
  }
  ~ChunkReader() {
    if (reader_) {
      context_.TryCancel();
      drain();
    }
    if (added_) core_.calls.remove(context_);
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }
  ChunkReader(const ChunkReader&) = delete;
  ChunkReader& operator=(const ChunkReader&) = delete;

  Result<void> start(const wire::CheckpointRequest& request) {
    if (!added_) return stopped_error(line_.target);
    reader_ = line_.stub->AsyncFetchCheckpoint(&context_, request, &queue_, nullptr);
    return step("open the stream of a checkpoint");
  }

  Result<void> next(wire::CheckpointChunk& chunk) {
    reader_->Read(&chunk, nullptr);
    return step("the next part of a checkpoint");
  }

 private:
  /// Waits for the operation that was begun; a stream that has ended is an error, for more was expected.
  Result<void> step(const char* what) {
    void* tag = nullptr;
    bool ok = false;
    const auto until = std::chrono::system_clock::now() + core_.options.timeout;
    if (queue_.AsyncNext(&tag, &ok, until) != grpc::CompletionQueue::GOT_EVENT) {
      context_.TryCancel();
      queue_.Next(&tag, &ok);
      finish();
      return Error{ErrorType::kTimeout, fmt::format("node '{}' sent nothing for {} ms: {}", line_.target.name(),
                                                    core_.options.timeout.count(), what)}
          .with("node", line_.target.name());
    }
    if (ok) return {};
    const grpc::Status status = finish();
    if (status.ok()) return unreachable_error(line_.target, "the stream of a checkpoint ended before its end");
    return call_error(status, line_.target, Method::kFetchCheckpoint, Clock::time_point::max());
  }

  void drain() {
    wire::CheckpointChunk ignored;
    void* tag = nullptr;
    bool ok = true;
    while (ok) {
      reader_->Read(&ignored, nullptr);
      queue_.Next(&tag, &ok);
    }
    finish();
  }

  grpc::Status finish() {
    grpc::Status status;
    reader_->Finish(&status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue_.Next(&tag, &ok);
    reader_.reset();
    return status;
  }

  ClientCore& core_;
  Line<wire::ReplicationService>& line_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::ClientAsyncReader<wire::CheckpointChunk>> reader_;
  bool added_ = false;
};

Result<void> receive(ChunkReader& reader, const Target& target, peer::CheckpointSink& sink) {
  CheckpointChunks chunks(target.name(), sink);
  wire::CheckpointChunk chunk;
  for (bool complete = false; !complete;) {
    RETURN_IF_ERROR(reader.next(chunk));
    ASSIGN_OR_RETURN(complete, chunks.take(chunk));
  }
  return {};
}

}  // namespace

Result<void> fetch_checkpoint_from(ClientCore& core, const Target& target, const ShardId& shard, std::uint64_t term,
                                   peer::CheckpointSink& sink) {
  wire::CheckpointRequest request;
  request.set_shard(shard.value());
  request.set_term(term);
  Line<wire::ReplicationService> line(core, target);
  auto session = line.link.session(core, target, Clock::now() + core.options.timeout);
  if (!session) return as_unreachable(session.error(), target);
  ChunkReader reader(core, line, *session);
  auto started = reader.start(request);
  auto done = started ? receive(reader, target, sink) : std::move(started);
  if (!done) core.metrics.failed(target.name(), Method::kFetchCheckpoint, done.error().type);
  return as_unreachable(std::move(done), target);
}

}  // namespace vectorizer::rpc
