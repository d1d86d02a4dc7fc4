#include "raft_service.hpp"

#include <pthread.h>

#include <utility>

#include "byte_pipe.hpp"
#include "raft_route.hpp"

namespace vectorizer::rpc {

/// The accepting end of a stream. Deletes itself once gRPC is done with it, which needs finish() first.
class IncomingStream final : public peer::ByteStream,
                             public grpc::ServerBidiReactor<wire::Bytes, wire::Bytes>,
                             private BytePipe::Carrier {
 public:
  IncomingStream(ServerCore& core, grpc::CallbackServerContext& context)
      : core_(core), context_(context), route_(read_route(context)) {
    core_.metrics.in_flight(Method::kRaftStream).Increment();
  }

  const peer::StreamRoute& route() const { return route_; }

  Result<std::size_t> read(std::span<char> buffer) override {
    accept();
    return pipe_.read(buffer);
  }
  Result<void> write(std::string_view bytes) override {
    accept();
    return pipe_.write(bytes);
  }
  void close() noexcept override { pipe_.close(); }

 private:
  void accept() {
    std::call_once(accepted_, [this] { pipe_.write_empty(); });
  }
  void begin_read(wire::Bytes* into) override { StartRead(into); }
  void begin_write(const wire::Bytes* from) override { StartWrite(from); }
  void cancel() override { context_.TryCancel(); }

  void OnReadDone(bool ok) override {
    pipe_.read_done(ok);
    if (!ok && !context_.IsCancelled()) pipe_.ended(std::nullopt);
  }
  void OnWriteDone(bool ok) override { pipe_.write_done(ok); }
  void OnCancel() override { pipe_.ended(Error{ErrorType::kNodeUnreachable, "the stream broke"}); }
  void OnDone() override {
    core_.metrics.in_flight(Method::kRaftStream).Decrement();
    delete this;
  }

  ServerCore& core_;
  grpc::CallbackServerContext& context_;
  const peer::StreamRoute route_;
  BytePipe pipe_{*this};
  std::once_flag accepted_;
};

grpc::ServerBidiReactor<wire::Bytes, wire::Bytes>* RaftServiceImpl::Stream(grpc::CallbackServerContext* context) {
  auto* const stream = new IncomingStream(core_, *context);
  const grpc::Status admitted = core_.admission.admit(*context, Method::kRaftStream);
  if (!admitted.ok()) {
    stream->Finish(admitted);
  } else if (!core_.handlers.get()->raft_stream) {
    stream->Finish(core_.admission.not_serving(Method::kRaftStream));
  } else if (!begin(*stream)) {
    stream->Finish(core_.admission.queue_full(Method::kRaftStream));
  }
  return stream;
}

bool RaftServiceImpl::begin(IncomingStream& stream) {
  join_finished();
  const std::lock_guard lock(mutex_);
  if (stopped_ || streams_.size() >= core_.options.max_raft_streams) return false;
  streams_.insert(&stream);
  const auto self = running_.emplace(running_.end());
  *self = std::thread([this, &stream, self] { run(stream, self); });
  pthread_setname_np(self->native_handle(), "rpc-raft");
  return true;
}

void RaftServiceImpl::run(IncomingStream& stream, std::list<std::thread>::iterator self) {
  const auto handlers = core_.handlers.get();
  const Result<void> served = handlers->raft_stream(stream.route(), stream);
  {
    const std::lock_guard lock(mutex_);
    streams_.erase(&stream);
    finished_.splice(finished_.end(), running_, self);
    ended_.notify_all();
  }
  // The stream may go with this.
  stream.Finish(served ? grpc::Status::OK : refusal(grpc::StatusCode::UNAVAILABLE, served.error()));
}

void RaftServiceImpl::join_finished() {
  std::list<std::thread> finished;
  {
    const std::lock_guard lock(mutex_);
    finished.swap(finished_);
  }
  for (auto& thread : finished) thread.join();
}

void RaftServiceImpl::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    for (auto* const stream : streams_) stream->close();
  }
  for (;;) {
    join_finished();
    std::unique_lock lock(mutex_);
    if (running_.empty() && finished_.empty()) return;
    ended_.wait(lock, [this] { return !finished_.empty(); });
  }
}

}  // namespace vectorizer::rpc
