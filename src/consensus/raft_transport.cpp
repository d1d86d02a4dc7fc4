#include "raft_transport.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

namespace vectorizer::consensus {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{64} << 10;
/// More members than a cluster has; each open stream holds a thread.
constexpr std::size_t kMaxIncoming = 64;

/// Closed when the last holder goes, so that a task that the loop drops does not leak it.
class Socket {
 public:
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  int get() const { return descriptor_; }
  int release() { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_;
};

struct SocketPair {
  std::shared_ptr<Socket> rafts;
  std::shared_ptr<Socket> ours;
};

std::optional<SocketPair> make_pair() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) return std::nullopt;
  return SocketPair{std::make_shared<Socket>(ends[0]), std::make_shared<Socket>(ends[1])};
}

bool send_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

/// From raft_uv into the stream, until either ends.
void pump_out(int socket, peer::ByteStream& stream) {
  std::vector<char> buffer(kBufferBytes);
  for (;;) {
    const auto got = ::read(socket, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return;
    if (!stream.write({buffer.data(), static_cast<std::size_t>(got)})) return;
  }
}

/// From the stream to raft_uv, until either ends.
void pump_in(peer::ByteStream& stream, int socket) {
  std::vector<char> buffer(kBufferBytes);
  for (;;) {
    const auto got = stream.read(buffer);
    if (!got || *got == 0) return;
    if (!send_all(socket, {buffer.data(), *got})) return;
  }
}

void wait_for_end(peer::ByteStream& stream) {
  std::array<char, 256> ignored{};
  for (;;) {
    const auto got = stream.read(ignored);
    if (!got || *got == 0) return;
  }
}

RaftTransport& self(raft_uv_transport* transport) {
  return *static_cast<RaftTransport*>(transport->impl);
}

}  // namespace

/// One attempt to connect and, if it succeeds, the connection. Fields but `finished` are of the loop's thread.
struct RaftTransport::Outgoing {
  raft_uv_connect* request = nullptr;
  raft_uv_connect_cb done = nullptr;
  peer::StreamRoute route;
  std::atomic<bool> finished{false};
  std::jthread thread;
};

RaftTransport::RaftTransport(EventLoop& loop, peer::StreamConnector& connector) : loop_(loop), connector_(connector) {
  transport_.version = 1;
  transport_.impl = this;
  transport_.init = init;
  transport_.listen = listen;
  transport_.connect = connect;
  transport_.close = close;
}

RaftTransport::~RaftTransport() {
  shut_down();
  outgoing_.clear();  // stops and joins
  std::unique_lock lock(mutex_);
  left_.wait(lock, [this] { return serving_ == 0; });
}

int RaftTransport::init(raft_uv_transport* transport, raft_id id, const char* address) {
  auto& that = self(transport);
  const std::lock_guard lock(that.mutex_);
  that.id_ = id;
  that.address_ = address;
  return 0;
}

int RaftTransport::listen(raft_uv_transport* transport, raft_uv_accept_cb accepted) {
  auto& that = self(transport);
  that.accepted_ = accepted;
  const std::lock_guard lock(that.mutex_);
  that.listening_ = true;
  return 0;
}

int RaftTransport::connect(raft_uv_transport* transport, raft_uv_connect* request, raft_id id, const char*,
                           raft_uv_connect_cb done) {
  auto& that = self(transport);
  that.reap();
  auto outgoing = std::make_shared<Outgoing>();
  request->cb = done;
  outgoing->request = request;
  outgoing->done = done;
  outgoing->route = {that.id_, id, that.address_};
  that.outgoing_.push_back(outgoing);
  outgoing->thread =
      std::jthread([&that, outgoing = outgoing.get()](const std::stop_token& stop) { that.pump(*outgoing, stop); });
  return 0;
}

void RaftTransport::close(raft_uv_transport* transport, raft_uv_transport_close_cb done) {
  auto& that = self(transport);
  that.closing_ = true;
  that.shut_down();
  for (const auto& outgoing : that.outgoing_) {
    outgoing->thread.request_stop();
    if (auto* request = std::exchange(outgoing->request, nullptr)) outgoing->done(request, nullptr, RAFT_CANCELED);
  }
  that.loop_.post([transport, done] { done(transport); });
}

void RaftTransport::shut_down() {
  const std::lock_guard lock(mutex_);
  listening_ = false;
  for (const auto& [from, incoming] : incoming_) {
    incoming.stream->close();
    ::shutdown(incoming.socket, SHUT_RDWR);
  }
}

void RaftTransport::reap() {
  outgoing_.remove_if([](const auto& outgoing) { return outgoing->finished && outgoing->request == nullptr; });
}

void RaftTransport::pump(Outgoing& outgoing, const std::stop_token& stop) {
  auto stream = connector_.connect(outgoing.route, stop);
  const auto pair = stream ? make_pair() : std::nullopt;
  if (!pair) {
    loop_.post([this, &outgoing] { connected(outgoing, -1); });
    outgoing.finished = true;
    return;
  }
  loop_.post([this, &outgoing, rafts = pair->rafts] { connected(outgoing, rafts->release()); });
  {
    const auto end = [&] {
      (*stream)->close();
      ::shutdown(pair->ours->get(), SHUT_RDWR);
    };
    const std::stop_callback stopped(stop, end);
    // A connection that broke while raft_uv has nothing to send must not swallow its next message.
    const std::jthread watch([&] {
      wait_for_end(**stream);
      end();
    });
    pump_out(pair->ours->get(), **stream);
    end();
  }
  outgoing.finished = true;
}

void RaftTransport::connected(Outgoing& outgoing, int socket) {
  auto* const request = std::exchange(outgoing.request, nullptr);
  if (request == nullptr) {  // cancelled meanwhile
    if (socket >= 0) ::close(socket);
    return;
  }
  auto* const stream = socket >= 0 ? adopt(socket) : nullptr;
  outgoing.done(request, stream, stream != nullptr ? 0 : RAFT_NOCONNECTION);
}

uv_stream_t* RaftTransport::adopt(int socket) {
  auto* const pipe = raft_allocate_zeroed<uv_pipe_t>();
  uv_pipe_init(loop_.uv(), pipe, 0);
  if (uv_pipe_open(pipe, socket) != 0) {
    ::close(socket);
    uv_close(reinterpret_cast<uv_handle_t*>(pipe), [](uv_handle_t* handle) { raft_free(handle); });
    return nullptr;
  }
  return reinterpret_cast<uv_stream_t*>(pipe);
}

Result<void> RaftTransport::admit(const peer::StreamRoute& route, peer::ByteStream& stream, int ours) {
  const std::lock_guard lock(mutex_);
  if (!listening_) return Error{ErrorType::kNodeUnreachable, "this member's metadata log is not running"};
  if (route.to != id_) {
    return Error{ErrorType::kConflict, fmt::format("this is the member n-{:x}, not n-{:x}", id_, route.to)};
  }
  if (route.from == 0 || route.from == id_ || route.from_address.empty()) {
    return invalid_field("from", "names no other member");
  }
  if (serving_ >= kMaxIncoming) return Error{ErrorType::kOverloaded, "too many streams of metadata logs"};
  if (const auto older = incoming_.find(route.from); older != incoming_.end()) {
    older->second.stream->close();  // what it still holds is older than what the new one brings
    ::shutdown(older->second.socket, SHUT_RDWR);
  }
  incoming_[route.from] = {&stream, ours};
  ++serving_;
  return {};
}

void RaftTransport::leave(std::uint64_t from, const peer::ByteStream& stream) {
  const std::lock_guard lock(mutex_);
  if (const auto found = incoming_.find(from); found != incoming_.end() && found->second.stream == &stream) {
    incoming_.erase(found);
  }
  --serving_;
  left_.notify_all();
}

Result<void> RaftTransport::serve(const peer::StreamRoute& route, peer::ByteStream& stream) {
  const auto pair = make_pair();
  if (!pair) return Error{ErrorType::kInternal, fmt::format("cannot make a socket pair: {}", std::strerror(errno))};
  if (auto admitted = admit(route, stream, pair->ours->get()); !admitted) {
    stream.close();
    return admitted;
  }
  loop_.post([this, from = raft_id{route.from}, address = route.from_address, rafts = pair->rafts] {
    if (closing_ || accepted_ == nullptr) return;
    if (auto* const accepted = adopt(rafts->release())) accepted_(&transport_, from, address.c_str(), accepted);
  });
  pump_in(stream, pair->ours->get());
  stream.close();
  leave(route.from, stream);
  return {};
}

}  // namespace vectorizer::consensus
