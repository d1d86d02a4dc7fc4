// Members as processes that are killed at random while commands are on their way. VECTORIZER_KILL_ROUNDS sets how
// often, VECTORIZER_TEST_SEED repeats a run.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "raft_cluster.hpp"
#include "unix_streams.hpp"

namespace vectorizer::consensus {
namespace {

using testing::connect_to;
using testing::node_command;
using testing::SocketStream;
using testing::wait_until;
using namespace std::chrono_literals;

constexpr std::array<std::uint64_t, 3> kMembers{1, 2, 3};

RaftOptions options_of(const std::filesystem::path& directory, std::uint64_t id) {
  RaftOptions options;
  options.raft_id = id;
  options.directory = directory / std::to_string(id);
  options.timings.election = 500ms;
  options.timings.heartbeat = 50ms;
  options.timings.operation = 3000ms;
  options.snapshot_threshold = 100;
  options.snapshot_trailing = 20;
  return options;
}

// ---- The process of a member.

std::string answer(RaftMetadataLog& log, const std::string& line) {
  std::istringstream words(line);
  std::string verb, key, value;
  std::uint64_t id = 0;
  words >> verb;
  const auto said = [](const Result<void>& outcome) {
    return outcome ? std::string("ok") : std::string(error_type_name(outcome.error().type));
  };
  if (verb == "set") {
    words >> key >> value;
    const auto decided = log.propose(node_command(key, value));
    return decided ? "ok" : std::string(error_type_name(decided.error().type));
  }
  if (verb == "leads") return log.is_leader() ? "yes" : "no";
  if (verb == "digest") return cluster::metadata_digest(*log.current());
  if (verb == "add") {
    words >> id;
    return said(log.add_member(id));
  }
  if (verb == "promote") {
    words >> id;
    return said(log.promote(id));
  }
  if (verb == "get") {
    words >> key;
    const auto metadata = log.current();
    const auto found = metadata->nodes.find(NodeId(key));
    return found == metadata->nodes.end() ? "0" : found->second.version;
  }
  return "what?";
}

void serve_members(RaftMetadataLog& log, testing::UnixListener& listener) {
  while (auto stream = listener.accept()) {
    std::thread([&log, accepted = std::move(stream)] {
      // Byte by byte: what follows the line is of libraft.
      std::string line;
      char next = 0;
      for (auto got = accepted->read({&next, 1}); got && *got == 1 && next != '\n'; got = accepted->read({&next, 1})) {
        line += next;
      }
      peer::StreamRoute route;
      std::istringstream(line) >> route.from >> route.to >> route.from_address;
      static_cast<void>(log.serve(route, *accepted));
    }).detach();
  }
}

/// Runs only as a child of the test below, until it is killed.
TEST(RaftMemberProcess, DISABLED_Runs) {
  const char* const directory_name = std::getenv("VECTORIZER_RAFT_DIRECTORY");
  const char* const id_text = std::getenv("VECTORIZER_RAFT_ID");
  ASSERT_TRUE(directory_name != nullptr && id_text != nullptr);
  const std::filesystem::path directory(directory_name);
  const auto id = std::stoull(id_text);
  testing::UnixConnector connector(directory);
  MetricsRegistry metrics;
  auto log = make_raft_metadata_log(options_of(directory, id), connector, metrics);
  if (!log) {
    std::cerr << "member " << id << " does not start: " << log.error().message << std::endl;
    std::_Exit(1);
  }
  testing::UnixListener members(directory / (std::to_string(id) + ".raft"));
  testing::UnixListener control(directory / (std::to_string(id) + ".control"));
  std::thread([&] { serve_members(**log, members); }).detach();
  while (auto stream = control.accept()) {
    std::thread([&log, accepted = std::move(stream)] {
      while (const auto line = accepted->read_line()) {
        if (!accepted->write(answer(**log, *line) + '\n')) return;
      }
    }).detach();
  }
}

// ---- The test.

class MemberProcesses {
 public:
  MemberProcesses() {
    const auto done = bootstrap_raft(options_of(directory_.path(), 1), {});
    EXPECT_TRUE(done) << done.error().message;
  }
  ~MemberProcesses() {
    for (const auto id : kMembers) kill(id);
  }

  void start(std::uint64_t id) {
    const auto pid = ::fork();
    if (pid == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::setenv("VECTORIZER_RAFT_DIRECTORY", directory_.path().c_str(), 1);
      ::setenv("VECTORIZER_RAFT_ID", std::to_string(id).c_str(), 1);
      const int log = ::open((directory_.path() / (std::to_string(id) + ".out")).c_str(),
                             O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0644);
      ::dup2(log, STDOUT_FILENO);
      ::dup2(log, STDERR_FILENO);
      ::execl("/proc/self/exe", "consensus_test", "--gtest_filter=RaftMemberProcess.*",
              "--gtest_also_run_disabled_tests", nullptr);
      std::_Exit(127);
    }
    pids_[id] = pid;
    ASSERT_TRUE(wait_until([&] { return ask(id, "leads").has_value() || gone(id); })) << "member " << id;
    ASSERT_FALSE(gone(id)) << "member " << id << " ended at its start";
  }
  void kill(std::uint64_t id) {
    const auto pid = std::exchange(pids_[id], 0);
    if (pid == 0) return;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
  bool running(std::uint64_t id) { return pids_[id] != 0; }
  /// It ended by itself: it crashed.
  bool gone(std::uint64_t id) {
    siginfo_t info{};
    return pids_[id] != 0 && ::waitid(P_PID, static_cast<id_t>(pids_[id]), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid != 0;
  }
  std::optional<std::string> ask(std::uint64_t id, const std::string& line) {
    const auto stream = connect_to(directory_.path() / (std::to_string(id) + ".control"));
    if (!stream || !stream->write(line + '\n')) return std::nullopt;
    return stream->read_line();
  }
  std::uint64_t leader() {
    for (const auto id : kMembers) {
      if (ask(id, "leads") == "yes") return id;
    }
    return 0;
  }

 private:
  testing::TemporaryDirectory directory_;
  std::map<std::uint64_t, pid_t> pids_;
};

/// What writers know of one key: its values only grow, and each is proposed once.
struct KeyHistory {
  std::uint64_t proposed = 0;
  std::uint64_t acknowledged = 0;
  std::set<std::uint64_t> refused;
};

class Writers {
 public:
  explicit Writers(MemberProcesses& members, int count) : histories_(static_cast<std::size_t>(count)) {
    for (int i = 0; i < count; ++i) threads_.emplace_back([this, &members, i] { run(members, i); });
  }
  ~Writers() { finish(); }
  void finish() {
    stop_ = true;
    for (auto& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }
  std::uint64_t acknowledged() const { return acknowledged_; }
  const std::vector<KeyHistory>& histories() const { return histories_; }
  static std::string key(int writer) { return "key-" + std::to_string(writer); }

 private:
  void run(MemberProcesses& members, int writer) {
    auto& history = histories_[static_cast<std::size_t>(writer)];
    std::size_t target = 0;
    while (!stop_) {
      const auto value = ++history.proposed;
      const auto outcome =
          members.ask(kMembers[target], "set " + key(writer) + ' ' + std::to_string(value)).value_or("gone");
      if (outcome == "ok") {
        history.acknowledged = value;
        ++acknowledged_;
        continue;
      }
      if (outcome == error_type_name(ErrorType::kNoLeader)) history.refused.insert(value);
      target = (target + 1) % kMembers.size();
      std::this_thread::sleep_for(2ms);  // a refusal is immediate
    }
  }

  std::vector<KeyHistory> histories_;
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> acknowledged_{0};
  std::vector<std::thread> threads_;
};

int rounds() {
  const char* const text = std::getenv("VECTORIZER_KILL_ROUNDS");
  return text == nullptr ? 5 : std::max(1, std::atoi(text));
}

unsigned seed() {
  const char* const text = std::getenv("VECTORIZER_TEST_SEED");
  return text == nullptr ? std::random_device()() : static_cast<unsigned>(std::strtoul(text, nullptr, 10));
}

/// One of: the leader, a follower, two members, all.
std::vector<std::uint64_t> victims(MemberProcesses& members, std::mt19937& random) {
  const auto leads = members.leader();
  const auto other = leads % kMembers.size() + 1;
  switch (random() % 4) {
    case 0:
      return {leads};
    case 1:
      return {other};
    case 2:
      return {leads, other};
    default:
      return {kMembers.begin(), kMembers.end()};
  }
}

void expect_nothing_lost(MemberProcesses& members, const Writers& writers, int count) {
  for (int writer = 0; writer < count; ++writer) {
    const auto& history = writers.histories()[static_cast<std::size_t>(writer)];
    for (const auto id : kMembers) {
      const auto found = std::stoull(members.ask(id, "get " + Writers::key(writer)).value_or("0"));
      EXPECT_GE(found, history.acknowledged) << "an acknowledged command is lost on member " << id;
      EXPECT_LE(found, history.proposed);
      EXPECT_EQ(history.refused.count(found), 0U) << "a refused command was applied: " << found;
    }
  }
}

TEST(RaftKill, NothingAcknowledgedIsLostWhenProcessesDie) {
  const auto chosen = seed();
  std::cout << "VECTORIZER_TEST_SEED=" << chosen << std::endl;
  std::mt19937 random(chosen);
  MemberProcesses members;
  for (const auto id : kMembers) ASSERT_NO_FATAL_FAILURE(members.start(id));
  ASSERT_TRUE(wait_until([&] { return members.leader() == 1; }));
  for (const auto id : {2, 3}) {
    ASSERT_EQ(members.ask(1, "add " + std::to_string(id)), "ok");
    ASSERT_EQ(members.ask(1, "promote " + std::to_string(id)), "ok");
  }
  constexpr int kWriters = 6;
  std::uint64_t total = 0;
  for (int round = 0; round < rounds(); ++round) {
    Writers writers(members, kWriters);
    const auto enough = 60 + random() % 200;
    ASSERT_TRUE(wait_until([&] { return writers.acknowledged() > enough; })) << "round " << round;
    for (const auto id : victims(members, random)) {
      if (id != 0) members.kill(id);
    }
    for (const auto id : kMembers) {
      ASSERT_FALSE(members.gone(id)) << "member " << id << " crashed in round " << round;
      if (!members.running(id)) {
        ASSERT_NO_FATAL_FAILURE(members.start(id));
      }
    }
    const auto before = writers.acknowledged();
    ASSERT_TRUE(wait_until([&] { return writers.acknowledged() > before + 20; })) << "round " << round;
    writers.finish();
    total += writers.acknowledged();
    ASSERT_TRUE(wait_until([&] {
      const auto digest = members.ask(1, "digest");
      return digest && members.ask(2, "digest") == digest && members.ask(3, "digest") == digest;
    })) << "members differ after round "
        << round;
    ASSERT_NO_FATAL_FAILURE(expect_nothing_lost(members, writers, kWriters));
    if (::testing::Test::HasFailure()) break;
  }
  std::cout << rounds() << " rounds, " << total << " commands acknowledged" << std::endl;
}

}  // namespace
}  // namespace vectorizer::consensus
