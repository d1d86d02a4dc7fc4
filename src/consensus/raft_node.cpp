#include "raft_node.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cassert>
#include <random>
#include <system_error>
#include <utility>

#include "raft_memory.hpp"

namespace vectorizer::consensus {
namespace {

constexpr std::size_t kMaxSubmitted = 4096;
constexpr std::size_t kMaxBarrierWaiters = 65536;
constexpr std::size_t kLargeSnapshot = std::size_t{32} << 20;
constexpr std::size_t kSegmentBytes = 8192;  // of files that raft_uv prepares and nobody writes to

/// In front of each command in the log; the whole is a multiple of 8 bytes, which libraft demands.
struct CommandHeader {
  std::uint64_t nonce = 0;
  std::uint64_t sequence = 0;
  std::uint64_t bytes = 0;
};

std::size_t padded(std::size_t bytes) {
  return (bytes + 7) & ~std::size_t{7};
}

std::uint64_t random_nonce() {
  std::random_device random;
  return std::uint64_t{random()} << 32 | random();
}

int role_code(MemberRole role) {
  switch (role) {
    case MemberRole::kSpare:
      return RAFT_SPARE;
    case MemberRole::kStandby:
      return RAFT_STANDBY;
    case MemberRole::kVoter:
      return RAFT_VOTER;
  }
  return RAFT_SPARE;
}

MemberRole role_of(int code) {
  return code == RAFT_VOTER ? MemberRole::kVoter : code == RAFT_STANDBY ? MemberRole::kStandby : MemberRole::kSpare;
}

unsigned milliseconds(std::chrono::milliseconds duration) {
  return static_cast<unsigned>(duration.count());
}

Error unknown(std::string_view why) {
  return Error{ErrorType::kTimeout, fmt::format("whether the change was made is not known: {}", why)}.with("outcome",
                                                                                                           "unknown");
}

Error stopped() {
  return {ErrorType::kShuttingDown, "the metadata log of this node has stopped"};
}

}  // namespace

/// What libraft keeps a pointer to until it calls back.
struct RaftNode::Request {
  union {
    struct raft_apply apply;
    struct raft_change change;
    struct raft_transfer transfer;
  };
  RaftNode& node;
  std::uint64_t sequence = 0;
  std::optional<Applied> applied;

  explicit Request(RaftNode& owner) : node(owner) {
    std::memset(&transfer, 0, sizeof transfer);
    node.requests_.insert(this);
  }
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
  virtual ~Request() { node.requests_.erase(this); }
  /// Fulfils the future; deletes this.
  virtual void finish(int status) = 0;
};

template <typename Outcome>
struct RaftNode::Waiting : Request {
  std::promise<Outcome> promise;

  using Request::Request;
  void finish(int status) override {
    promise.set_value(outcome(status));
    delete this;
  }

 private:
  Outcome outcome(int status) {
    if (status != 0) return node.outcome_of(status);
    if constexpr (std::is_same_v<Outcome, Applied>) {
      if (!applied) return unknown("it was decided elsewhere");
      return std::move(*applied);
    } else {
      return {};
    }
  }
};

Result<std::unique_ptr<RaftNode>> RaftNode::start(const RaftOptions& options, StateMachine& machine,
                                                  peer::StreamConnector& connector, Callbacks callbacks) {
  ASSIGN_OR_RETURN(auto store, RaftStore::open(options.directory / "store", options.raft_id));
  return start(options, std::move(store), machine, connector, std::move(callbacks));
}

Result<std::unique_ptr<RaftNode>> RaftNode::start(const RaftOptions& options, std::unique_ptr<RaftStore> store,
                                                  StateMachine& machine, peer::StreamConnector& connector,
                                                  Callbacks callbacks) {
  bound_raft_memory();
  const auto network = options.directory / "network";
  std::error_code problem;
  std::filesystem::remove_all(network, problem);
  if (!problem) std::filesystem::create_directories(network, problem);
  if (problem) {
    return Error{ErrorType::kInternal, fmt::format("cannot make {} anew: {}", network.string(), problem.message())};
  }
  std::unique_ptr<RaftNode> node(new RaftNode(options, machine, connector, std::move(callbacks)));
  node->store_ = std::move(store);
  std::promise<Result<void>> promise;
  auto begun = promise.get_future();
  node->thread_ = std::thread([raw = node.get(), promise = std::move(promise)]() mutable {
    promise.set_value(raw->begin());
    raw->loop_.run();
  });
  if (const auto outcome = begun.get(); !outcome) return outcome.error();
  return node;
}

RaftNode::RaftNode(const RaftOptions& options, StateMachine& machine, peer::StreamConnector& connector,
                   Callbacks callbacks)
    : options_(options),
      address_(raft_address(options.raft_id)),
      machine_(machine),
      callbacks_(std::move(callbacks)),
      nonce_(random_nonce()),
      transport_(loop_, connector) {}

RaftNode::~RaftNode() {
  transport_.shut_down();
  loop_.post([this] { stop(); });
  if (thread_.joinable()) thread_.join();
}

void RaftNode::crash() {
  store_->abandon();
}

/// Everything before the loop turns.
Result<void> RaftNode::begin() {
  const auto failed = [](std::string_view what, int status, const char* message) {
    return Error{ErrorType::kInternal, fmt::format("{}: {}: {}", what, raft_strerror(status), message)};
  };
  store_->start([this](std::function<void()> task) { loop_.post(std::move(task)); },
                [this](const Error& error) { on_failure(error); });
  const auto network = (options_.directory / "network").string();
  int status = raft_uv_init(&io_.io, loop_.uv(), network.c_str(), transport_.get());
  if (status != 0) return failed("cannot set up the network of the metadata log", status, io_.io.errmsg);
  io_ready_ = true;
  raft_uv_set_tracer(&io_.io, nullptr);  // the default one formats each event into one static buffer
  raft_uv_set_segment_size(&io_.io, kSegmentBytes);
  raft_uv_set_connect_retry_delay(&io_.io, milliseconds(options_.timings.connect_retry));
  parts_.emplace(NodeIo::Parts{*store_, [this](std::function<void()> task) { loop_.post(std::move(task)); }});
  bind_io(io_, *parts_);

  fsm_.version = 2;
  fsm_.data = this;
  fsm_.apply = [](raft_fsm* fsm, const raft_buffer* buffer, void** result) {
    *result = nullptr;
    return static_cast<RaftNode*>(fsm->data)->apply(*buffer);
  };
  fsm_.snapshot = [](raft_fsm* fsm, raft_buffer** buffers, unsigned* count) {
    *count = 1;
    *buffers = raft_allocate_zeroed<raft_buffer>();
    **buffers = static_cast<RaftNode*>(fsm->data)->take_snapshot();
    return 0;
  };
  fsm_.restore = [](raft_fsm* fsm, raft_buffer* buffer) { return static_cast<RaftNode*>(fsm->data)->restore(*buffer); };
  status = raft_init(&raft_, &io_.io, &fsm_, options_.raft_id, address_.c_str());
  if (status != 0) return failed("cannot set up the metadata log", status, raft_errmsg(&raft_));
  raft_ready_ = true;
  configure();
  status = raft_start(&raft_);
  if (const auto error = store_->failure()) return *error;
  if (status != 0) return failed("cannot start the metadata log", status, raft_errmsg(&raft_));
  publish();
  loop_.on_turn([this] { publish(); });
  return {};
}

void RaftNode::configure() {
  raft_.tracer = nullptr;
  raft_.data = this;
  raft_seed(&raft_, static_cast<unsigned>(nonce_));  // the default depends on the second of the start
  raft_set_heartbeat_timeout(&raft_, milliseconds(options_.timings.heartbeat));
  raft_set_election_timeout(&raft_, milliseconds(options_.timings.election));
  raft_set_install_snapshot_timeout(&raft_, milliseconds(options_.timings.install_snapshot));
  raft_set_snapshot_threshold(&raft_, options_.snapshot_threshold);
  raft_set_snapshot_trailing(&raft_, std::max(options_.snapshot_trailing, 1U));  // 0 would mean: replace the log
  raft_set_capacity_threshold(&raft_, 0);  // it counts raft_uv's files, which hold nothing
  raft_set_pre_vote(&raft_, true);
}

/// On the loop; twice at most: after a failure, and at the end.
void RaftNode::begin_close() {
  if (closing_) return;
  closing_ = true;
  publish();
  if (!raft_ready_) {
    if (io_ready_) raft_uv_close(&io_.io);
    closed_ = true;
    return;
  }
  raft_close(&raft_, [](raft* closed) {
    auto& node = *static_cast<RaftNode*>(closed->data);
    raft_uv_close(&node.io_.io);
    node.closed_ = true;
    node.fail_rest();
    if (node.stopping_) node.loop_.finish();
  });
}

void RaftNode::stop() {
  stopping_ = true;
  begin_close();
  if (closed_) loop_.finish();
}

void RaftNode::on_failure(const Error& error) {
  spdlog::critical("metadata log: stopped: {}", error.message);
  begin_close();
  if (callbacks_.failed) callbacks_.failed(error);
}

void RaftNode::fail_rest() {
  while (!requests_.empty()) (*requests_.begin())->finish(RAFT_SHUTDOWN);
}

void RaftNode::publish() {
  RaftStatus now;
  std::vector<Member> members;
  if (raft_ready_ && !closing_) {
    raft_id leader = 0;
    const char* address = nullptr;
    raft_leader(&raft_, &leader, &address);
    now.term = raft_current_term(&raft_);
    now.leader = leader;
    now.is_leader = raft_state(&raft_) == RAFT_LEADER;
    now.applied_index = raft_last_applied(&raft_);
    now.last_index = raft_last_index(&raft_);
    now.durable_index = std::min(raft_.last_applied, raft_.last_stored);
    for (unsigned i = 0; i < raft_.configuration.n; ++i) {
      const auto& server = raft_.configuration.servers[i];
      members.push_back({server.id, role_of(server.role)});
    }
  }
  if (parts_) messages_held_ = parts_->messages_held;
  bool changed = false;
  {
    const std::lock_guard lock(view_mutex_);
    changed = now.term != view_.term || now.leader != view_.leader || now.is_leader != view_.is_leader;
    view_ = now;
    members_ = std::move(members);
  }
  if (changed && callbacks_.changed) callbacks_.changed(now);
}

RaftStatus RaftNode::status() const {
  const std::lock_guard lock(view_mutex_);
  return view_;
}

std::vector<Member> RaftNode::members() const {
  const std::lock_guard lock(view_mutex_);
  return members_;
}

Error RaftNode::no_leader() {
  raft_id leader = 0;
  const char* address = nullptr;
  raft_leader(&raft_, &leader, &address);
  if (leader == 0 || leader == options_.raft_id) {
    return {ErrorType::kNoLeader, "the cluster has no leader of its metadata at the moment"};
  }
  return Error{ErrorType::kNoLeader, fmt::format("{} leads the metadata, not this node", raft_address(leader))}.with(
      "leader", raft_address(leader));
}

/// Of a request that libraft did not take: nothing was done.
Error RaftNode::refusal(int status) {
  switch (status) {
    case RAFT_NOTLEADER:
      return no_leader();
    case RAFT_CANTCHANGE:
      return {ErrorType::kConflict, "another change of the members is under way"};
    case RAFT_NOSPACE:
      return {ErrorType::kStorageFull, "the disk of the metadata is full"};
    case RAFT_NOTFOUND:
    case RAFT_BADID:
      return {ErrorType::kNodeNotFound, fmt::format("no such member: {}", raft_errmsg(&raft_))};
    case RAFT_DUPLICATEID:
    case RAFT_DUPLICATEADDRESS:
      return {ErrorType::kNodeAlreadyExists, "it is a member already"};
    default:
      return {ErrorType::kInternal, fmt::format("the metadata log refused: {}", raft_strerror(status))};
  }
}

/// Of a request that was taken and came to nothing that this member knows of.
Error RaftNode::outcome_of(int status) {
  if (status == RAFT_NOCONNECTION) return {ErrorType::kNodeUnreachable, "the member did not catch up in time"};
  if (status == RAFT_LEADERSHIPLOST) return unknown("this node lost the lead of the metadata meanwhile");
  return unknown("the metadata log of this node stopped meanwhile");
}

std::optional<Error> RaftNode::cannot_change() {
  if (closing_) return stopped();
  if (raft_state(&raft_) != RAFT_LEADER) return no_leader();
  if (raft_transferee(&raft_) != 0 || raft_.transfer != nullptr) {
    return Error{ErrorType::kConflict, "the lead of the metadata is being handed over"};
  }
  // A change that was applied is committed. A follower that learns of both at once may not have noted it, and would
  // allow no other change when it leads.
  if (raft_.configuration_uncommitted_index != 0 &&
      raft_.configuration_uncommitted_index <= raft_last_applied(&raft_)) {
    raft_.configuration_committed_index = raft_.configuration_uncommitted_index;
    raft_.configuration_uncommitted_index = 0;
  }
  // libraft checks these too late: a refused raft_assign stays registered, and a refused raft_add leaks.
  if (raft_.configuration_uncommitted_index != 0 || raft_.leader_state.promotee_id != 0 ||
      raft_.legacy.change != nullptr) {
    return Error{
        ErrorType::kConflict,
        fmt::format("another change of the members is under way (entry {}, applied {}, promotee {:x}, {})",
                    raft_.configuration_uncommitted_index, raft_last_applied(&raft_), raft_.leader_state.promotee_id,
                    raft_.legacy.change != nullptr ? "by this node" : "not by this node")};
  }
  return std::nullopt;
}

template <typename Outcome, typename Start>
std::future<Outcome> RaftNode::request(Start start) {
  auto promise = std::make_shared<std::promise<Outcome>>();
  auto future = promise->get_future();
  loop_.post([this, promise, start = std::move(start)]() mutable {
    auto* const waiting = new Waiting<Outcome>(*this);
    if (std::optional<Outcome> immediate = start(*waiting)) {
      delete waiting;
      promise->set_value(std::move(*immediate));
      return;
    }
    waiting->promise = std::move(*promise);
  });
  return future;
}

std::future<Applied> RaftNode::submit(std::string command) {
  return request<Applied>([this, command = std::move(command)](Request& request) -> std::optional<Applied> {
    if (closing_) return stopped();
    if (submitted_.size() >= kMaxSubmitted) {
      return Error{ErrorType::kOverloaded, "too many changes of the metadata are waiting to be decided"};
    }
    request.sequence = ++next_sequence_;
    const CommandHeader header{nonce_, request.sequence, command.size()};
    std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
    bytes += command;
    bytes.resize(padded(bytes.size()));
    const auto buffer = raft_copy(bytes);
    submitted_.emplace(request.sequence, &request);
    request.apply.data = &request;
    const int status = raft_apply(&raft_, &request.apply, &buffer, 1, [](struct raft_apply* done, int outcome, void*) {
      auto& that = *static_cast<Request*>(done->data);
      that.node.submitted_.erase(that.sequence);
      that.finish(outcome);
    });
    if (status == 0) return std::nullopt;
    submitted_.erase(request.sequence);
    raft_free(buffer.base);
    return refusal(status);
  });
}

std::future<Result<void>> RaftNode::add(raft_id id) {
  return request<Result<void>>([this, id](Request& request) -> std::optional<Result<void>> {
    if (auto error = cannot_change()) return *error;
    request.change.data = &request;
    const int status = raft_add(&raft_, &request.change, id, raft_address(id).c_str(), change_done);
    if (status == 0) return std::nullopt;
    if (status == RAFT_DUPLICATEID) return Result<void>();
    return refusal(status);
  });
}

std::future<Result<void>> RaftNode::assign(raft_id id, MemberRole role) {
  return request<Result<void>>([this, id, role](Request& request) -> std::optional<Result<void>> {
    if (auto error = cannot_change()) return *error;
    request.change.data = &request;
    const int status = raft_assign(&raft_, &request.change, id, role_code(role), change_done);
    if (status == 0) return std::nullopt;
    if (raft_.legacy.change == &request.change) raft_.legacy.change = nullptr;
    if (status == RAFT_BADROLE) return Result<void>();
    return refusal(status);
  });
}

std::future<Result<void>> RaftNode::remove(raft_id id) {
  return request<Result<void>>([this, id](Request& request) -> std::optional<Result<void>> {
    if (auto error = cannot_change()) return *error;
    request.change.data = &request;
    const int status = raft_remove(&raft_, &request.change, id, change_done);
    if (status == 0) return std::nullopt;
    if (status == RAFT_BADID) return Result<void>();
    return refusal(status);
  });
}

void RaftNode::change_done(struct raft_change* done, int status) {
  static_cast<Request*>(done->data)->finish(status);
}

std::future<Result<void>> RaftNode::transfer(raft_id id) {
  return request<Result<void>>([this, id](Request& request) -> std::optional<Result<void>> {
    if (auto error = cannot_change()) return *error;
    if (id == options_.raft_id) return Result<void>();
    request.transfer.data = &request;
    const int status = raft_transfer(&raft_, &request.transfer, id, [](struct raft_transfer* done) {
      auto& that = *static_cast<Request*>(done->data);
      const bool handed_over = !that.node.closing_ && raft_state(&that.node.raft_) != RAFT_LEADER;
      that.finish(handed_over ? 0 : RAFT_NOCONNECTION);
    });
    if (status == 0) return std::nullopt;
    return refusal(status);
  });
}

std::future<Result<void>> RaftNode::barrier() {
  auto promise = std::make_shared<std::promise<Result<void>>>();
  auto future = promise->get_future();
  loop_.post([this, promise] {
    if (closing_) return promise->set_value(stopped());
    if (barrier_waiters_.size() >= kMaxBarrierWaiters) {
      return promise->set_value(Error{ErrorType::kOverloaded, "too many reads wait for the metadata"});
    }
    barrier_waiters_.push_back(std::move(*promise));
    if (barrier_in_flight_.empty()) start_barrier();
  });
  return future;
}

/// A waiter may share only a barrier that begins after it came.
void RaftNode::start_barrier() {
  barrier_in_flight_.swap(barrier_waiters_);
  barrier_ = {};
  barrier_.data = this;
  const int status = raft_barrier(&raft_, &barrier_, [](struct raft_barrier* done, int outcome) {
    auto& node = *static_cast<RaftNode*>(done->data);
    node.finish_barrier(outcome == 0 ? Result<void>() : node.no_leader());
  });
  if (status != 0) finish_barrier(refusal(status));
}

void RaftNode::finish_barrier(const Result<void>& outcome) {
  for (auto& waiter : std::exchange(barrier_in_flight_, {})) waiter.set_value(outcome);
  if (barrier_waiters_.empty()) return;
  if (!closing_) return start_barrier();
  for (auto& waiter : std::exchange(barrier_waiters_, {})) waiter.set_value(stopped());
}

Result<std::string_view> command_of_entry(std::string_view bytes) {
  CommandHeader header;
  if (bytes.size() >= sizeof header) std::memcpy(&header, bytes.data(), sizeof header);
  if (bytes.size() < sizeof header || header.bytes > bytes.size() - sizeof header) {
    return Error{ErrorType::kInternal, "a command in the metadata log is malformed"};
  }
  return bytes.substr(sizeof header, header.bytes);
}

/// Never tells libraft of a failure: 0.22.1 then frees memory twice, as a follower. The store takes nothing any more,
/// so that nothing comes of what libraft believes until it closes.
int RaftNode::apply(const raft_buffer& buffer) {
  if (store_->failure()) return 0;
  const std::string_view bytes(static_cast<const char*>(buffer.base), buffer.len);
  const auto command = command_of_entry(bytes);
  auto applied = command ? machine_.apply(*command) : command.error();
  if (!applied) {
    store_->fail(applied.error());
    return 0;
  }
  CommandHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.nonce == nonce_) {
    if (const auto found = submitted_.find(header.sequence); found != submitted_.end()) {
      found->second->applied = std::move(*applied);
    }
  }
  return 0;
}

raft_buffer RaftNode::take_snapshot() {
  const auto state = machine_.snapshot();
  if (state.size() > kLargeSnapshot) {
    spdlog::warn("metadata log: a snapshot of the metadata has {} MB; it is sent to members as one message",
                 state.size() >> 20);
  }
  return raft_copy(pack_state(state));
}

int RaftNode::restore(raft_buffer& buffer) {
  const auto state = unpack_state({static_cast<const char*>(buffer.base), buffer.len});
  const auto restored = state ? machine_.restore(*state) : state.error();
  if (!restored) {
    store_->fail(restored.error());
    return RAFT_CORRUPT;
  }
  raft_free(buffer.base);
  return 0;
}

}  // namespace vectorizer::consensus
