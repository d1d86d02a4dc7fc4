#include "raft_connector.hpp"

#include <array>
#include <atomic>
#include <utility>

#include "byte_pipe.hpp"
#include "call.hpp"
#include "raft_route.hpp"
#include "vectorizer/rpc/v1/raft.grpc.pb.h"

namespace vectorizer::rpc {
namespace {

/// The calling end of a stream. gRPC calls it back until OnDone, which the destructor waits for.
class OutgoingStream final : public peer::ByteStream,
                             private BytePipe::Carrier,
                             private grpc::ClientBidiReactor<wire::Bytes, wire::Bytes> {
 public:
  OutgoingStream(ClientCore& core, std::shared_ptr<Line<wire::RaftService>> line)
      : core_(core), line_(std::move(line)) {}
  ~OutgoingStream() override {
    if (!started_) return;
    pipe_.close();
    release();
    std::unique_lock lock(mutex_);
    done_changed_.wait(lock, [this] { return done_; });
  }

  /// The first message of the other side says that it has accepted.
  Result<void> start(const peer::StreamRoute& route, const std::shared_ptr<CallProver>& session) {
    prepare(context_, core_, line_->target, Method::kRaftStream, session, Clock::time_point::max());
    write_route(route, context_);
    if (!calls_->add(context_, false)) return stopped_error(line_->target);
    started_ = true;
    line_->stub->async()->Stream(&context_, this);
    held_ = true;
    AddHold();  // reads and writes come from other threads than gRPC's
    StartRead(&acceptance_);
    StartCall();
    std::unique_lock lock(mutex_);
    const bool answered = done_changed_.wait_for(lock, core_.options.connect_timeout,
                                                 [this] { return accepted_ || refused_ || stopping_; });
    if (accepted_) return {};
    if (stopping_) return unreachable_error(line_->target, "no longer wanted");
    if (!answered) return unreachable_error(line_->target, "it has not accepted the stream in time");
    lock.unlock();
    context_.TryCancel();  // it ended, or sent what is no acceptance
    release();
    lock.lock();
    done_changed_.wait(lock, [this] { return done_; });
    started_ = false;
    if (status_.ok()) return unreachable_error(line_->target, "it ended the stream at once");
    return call_error(status_, line_->target, Method::kRaftStream, Clock::time_point::max());
  }
  void stop_waiting() {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    done_changed_.notify_all();
  }

  Result<std::size_t> read(std::span<char> buffer) override { return pipe_.read(buffer); }
  Result<void> write(std::string_view bytes) override { return pipe_.write(bytes); }
  void close() noexcept override { pipe_.close(); }

 private:
  void begin_read(wire::Bytes* into) override { StartRead(into); }
  void begin_write(const wire::Bytes* from) override {
    {
      const std::lock_guard lock(hold_mutex_);
      if (held_) return StartWrite(from);
    }
    pipe_.write_done(false);
  }
  void cancel() override { context_.TryCancel(); }

  /// gRPC tells how the call ended only when nobody holds it, and while it is held only it takes operations.
  void release() {
    {
      const std::lock_guard lock(hold_mutex_);
      if (!std::exchange(held_, false)) return;
    }
    RemoveHold();
  }

  void OnReadDone(bool ok) override {
    if (!ok) release();
    if (answered_) return pipe_.read_done(ok);
    answered_ = true;
    const std::lock_guard lock(mutex_);
    (ok && acceptance_.data().empty() ? accepted_ : refused_) = true;
    done_changed_.notify_all();
  }
  void OnWriteDone(bool ok) override { pipe_.write_done(ok); }
  void OnDone(const grpc::Status& status) override {
    std::optional<Error> error;
    if (!status.ok()) error = call_error(status, line_->target, Method::kRaftStream, Clock::time_point::max());
    pipe_.ended(std::move(error));
    calls_->remove(context_);
    const std::lock_guard lock(mutex_);
    status_ = status;
    done_ = true;
    done_changed_.notify_all();  // under the lock: the destructor may be waiting for it
  }

  ClientCore& core_;  // until start() has returned: it may go before the stream does
  const std::shared_ptr<CallsInFlight> calls_ = core_.shared_calls;
  const std::shared_ptr<Line<wire::RaftService>> line_;
  grpc::ClientContext context_;
  BytePipe pipe_{*this};
  wire::Bytes acceptance_;
  bool answered_ = false;  // of gRPC's callbacks, which come one after the other
  bool started_ = false;
  std::mutex hold_mutex_;
  bool held_ = false;
  std::mutex mutex_;
  std::condition_variable done_changed_;
  bool accepted_ = false, refused_ = false, stopping_ = false, done_ = false;
  grpc::Status status_;
};

}  // namespace

Result<std::unique_ptr<peer::ByteStream>> open_raft_stream(ClientCore& core, const Target& target,
                                                           const peer::StreamRoute& route,
                                                           const std::stop_token& stop) {
  const auto failed = [&](Error error) {
    core.metrics.failed(target.name(), Method::kRaftStream, error.type);
    return as_unreachable(std::move(error), target);
  };
  auto line = std::make_shared<Line<wire::RaftService>>(core, target);
  // In slices, so that a stop is heard: gRPC's wait for a connection has no way to be woken.
  const Clock::time_point until = Clock::now() + core.options.connect_timeout;
  for (bool connected = false; !connected;) {
    if (stop.stop_requested() || core.calls.stopped()) return stopped_error(target);
    const auto slice = std::min(until, Clock::now() + std::chrono::milliseconds(50));
    connected = line->link.wait_until_connected(slice);
    if (!connected && (Clock::now() >= until || Clock::now() < slice)) {
      return failed(unreachable_error(target, "there is no connection to it"));
    }
  }
  auto session = line->link.session(core, target, Clock::now() + core.options.connect_timeout);
  if (!session) return failed(session.error());
  auto stream = std::make_unique<OutgoingStream>(core, std::move(line));
  const std::stop_callback stopped(stop, [&stream] { stream->stop_waiting(); });
  if (auto accepted = stream->start(route, *session); !accepted) return failed(accepted.error());
  return std::unique_ptr<peer::ByteStream>(std::move(stream));
}

}  // namespace vectorizer::rpc
