#include "raft_io_binding.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <type_traits>
#include <utility>

namespace vectorizer::consensus {
namespace {

static_assert(std::is_standard_layout_v<NodeIo>);

NodeIo::Parts& parts_of(raft_io* io) {
  return *reinterpret_cast<NodeIo*>(io)->parts;
}

int refuse(raft_io* io, int status, const std::string& why) {
  const auto end = fmt::format_to_n(io->errmsg, sizeof io->errmsg - 1, "{}", why);
  *end.out = '\0';
  return status;
}

int load(raft_io* io, raft_term* term, raft_id* vote, raft_snapshot** snapshot, raft_index* first, raft_entry** entries,
         std::size_t* count) {
  auto loaded = parts_of(io).store.load();
  if (!loaded) return refuse(io, RAFT_CORRUPT, loaded.error().message);
  *term = loaded->state.term;
  *vote = loaded->state.vote;
  *first = loaded->first;
  *snapshot = loaded->snapshot.release();
  *count = loaded->entries.size();
  *entries = nullptr;
  if (!loaded->entries.empty()) {
    *entries = raft_allocate_zeroed<raft_entry>(*count);
    std::copy(loaded->entries.begin(), loaded->entries.end(), *entries);
    loaded->entries.clear();
  }
  return 0;
}

int bootstrap(raft_io* io, const raft_configuration*) {
  return refuse(io, RAFT_INVALID, "a cluster begins with metadata: RaftStore::bootstrap");
}

int recover(raft_io* io, const raft_configuration*) {
  return refuse(io, RAFT_INVALID, "a lost majority is not recovered from");
}

int set_term(raft_io* io, raft_term term) {
  const auto written = parts_of(io).store.set_term(term);
  return written ? 0 : refuse(io, RAFT_IOERR, written.error().message);
}

int set_vote(raft_io* io, raft_id vote) {
  const auto written = parts_of(io).store.set_vote(vote);
  return written ? 0 : refuse(io, RAFT_IOERR, written.error().message);
}

int append(raft_io* io, raft_io_append* request, const raft_entry entries[], unsigned count, raft_io_append_cb done) {
  request->cb = done;
  parts_of(io).store.append({entries, count}, [request, done](int status) { done(request, status); });
  return 0;
}

int truncate(raft_io* io, raft_index index) {
  parts_of(io).store.truncate(index);
  return 0;
}

void deliver_held(raft_io* io, NodeIo::Parts& parts) {
  if (parts.snapshots_in_flight > 0 || !parts.held) return;
  const auto held = std::exchange(parts.held, nullptr);
  if (parts.closing) return;
  held->message.server_address = held->address.c_str();
  held->delivered = true;
  parts.receive(io, &held->message);
}

int snapshot_put(raft_io* io, unsigned trailing, raft_io_snapshot_put* request, const raft_snapshot* snapshot,
                 raft_io_snapshot_put_cb done) {
  auto& parts = parts_of(io);
  request->cb = done;
  ++parts.snapshots_in_flight;
  parts.store.put_snapshot(*snapshot, trailing, [io, &parts, request, done](int status) {
    --parts.snapshots_in_flight;
    done(request, status);
    deliver_held(io, parts);
  });
  return 0;
}

int snapshot_get(raft_io* io, raft_io_snapshot_get* request, raft_io_snapshot_get_cb done) {
  request->cb = done;
  parts_of(io).post([io, request, done] {
    auto& parts = parts_of(io);
    auto snapshot = parts.store.snapshot();
    if (!snapshot) {
      // libraft frees what it never set when it is told of a failure. It gets an empty snapshot, which is not sent.
      parts.store.fail(snapshot.error());
      OwnedSnapshot nothing(raft_allocate_zeroed<raft_snapshot>());
      nothing->index = std::numeric_limits<raft_index>::max();
      nothing->bufs = raft_allocate_zeroed<raft_buffer>();
      nothing->n_bufs = 1;
      snapshot = std::move(nothing);
    }
    done(request, snapshot->release(), 0);
  });
  return 0;
}

int send(raft_io* io, raft_io_send* request, const raft_message* message, raft_io_send_cb done) {
  auto& parts = parts_of(io);
  request->cb = done;
  const bool silent = parts.closing || parts.store.failure().has_value();
  const int status = silent ? RAFT_CANCELED : parts.send(io, request, message, done);
  // As an outcome, not as an error: raft_apply would report an entry as refused that it has appended, and free it.
  if (status != 0) done(request, status);
  return 0;
}

void receive(raft_io* io, raft_message* message) {
  auto& parts = parts_of(io);
  if (parts.snapshots_in_flight > 0 && message->type == RAFT_INSTALL_SNAPSHOT) {
    ++parts.messages_held;
    parts.held = std::make_unique<HeldMessage>(*message);
    return;
  }
  parts.receive(io, message);
}

int start(raft_io* io, unsigned milliseconds, raft_io_tick_cb tick, raft_io_recv_cb callback) {
  auto& parts = parts_of(io);
  parts.receive = callback;
  return parts.start(io, milliseconds, tick, receive);
}

void close(raft_io* io, raft_io_close_cb done) {
  auto& parts = parts_of(io);
  parts.closing = true;
  parts.store.drain([io, &parts, done] {
    parts.held.reset();
    parts.close_network(io, done);
  });
}

}  // namespace

HeldMessage::~HeldMessage() {
  if (delivered) return;
  raft_configuration_close(&message.install_snapshot.conf);
  raft_free(message.install_snapshot.data.base);
}

void bind_io(NodeIo& node, NodeIo::Parts& parts) {
  node.parts = &parts;
  auto& io = node.io;
  parts.close_network = std::exchange(io.close, close);
  parts.send = std::exchange(io.send, send);
  parts.start = std::exchange(io.start, start);
  io.load = load;
  io.bootstrap = bootstrap;
  io.recover = recover;
  io.set_term = set_term;
  io.set_vote = set_vote;
  io.append = append;
  io.truncate = truncate;
  io.snapshot_put = snapshot_put;
  io.snapshot_get = snapshot_get;
}

}  // namespace vectorizer::consensus
