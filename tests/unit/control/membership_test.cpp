#include "vectorizer/control/membership.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>

#include "member_network.hpp"
#include "vectorizer/model/protocol.hpp"

namespace vectorizer::control {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

/// One process: its data directory and what runs on it.
struct Process {
  Process(MemberNetwork& all, const std::filesystem::path& root, int which, std::vector<ListedServer> listed)
      : network(all), number(which), directory(root / std::to_string(which)), servers(std::move(listed)) {
    std::filesystem::create_directories(directory);
  }
  ~Process() { kill(); }

  std::string endpoint() const { return servers.at(static_cast<std::size_t>(number - 1)).endpoint; }

  void start() {
    const auto started = try_start();
    ASSERT_TRUE(started) << started.error().message;
  }
  Result<void> try_start() {
    const auto raft_directory = directory / "raft";
    auto opened = IdentityFile::open(directory, NodeId("node-" + std::to_string(number)),
                                     std::filesystem::exists(raft_directory));
    if (!opened) return opened.error();
    identity = std::move(*opened);
    view = std::make_unique<NetworkView>(network, endpoint());
    MembershipOptions options;
    options.self = NodeId("node-" + std::to_string(number));
    options.endpoint = endpoint();
    options.rest_port = static_cast<std::uint16_t>(15000 + number);
    options.version = "test";
    options.expected_nodes = static_cast<std::uint32_t>(servers.size());
    if (resolve) {
      options.endpoint.clear();
      options.dns_name = "vectorizer.example";
      options.dns_grpc_port = 15003;
      options.resolve_interval = resolve_interval;
      options.resolve = resolve;
    } else {
      options.servers = servers;
    }
    options.raft_directory = raft_directory;
    options.secured = secured;
    options.on_fatal = [this](const Error& error) {
      const std::lock_guard lock(fatal_mutex);
      fatal = error.message;
    };
    options.initial = initial;
    member = make_membership(std::move(options), *identity, *view, *view, metrics, [](auto&&...) {});
    network.add(endpoint(), identity->current().raft_id, member.get());
    return member->start({.copies = [this] { return copies; },
                          .positions = [this] { return positions; },
                          .lose =
                              [this](std::vector<std::uint64_t> gone) {
                                const std::lock_guard lock(fatal_mutex);
                                lost.insert(gone.begin(), gone.end());
                              },
                          .disk_wait = [this] { return std::chrono::milliseconds(disk_wait); },
                          .follows = [](auto&&...) { return true; }});
  }
  void kill() {
    if (!member) return;
    network.remove(endpoint());
    member->stop();
    member.reset();
    identity.reset();
  }
  void wipe() {
    std::filesystem::remove_all(directory);
    std::filesystem::create_directories(directory);
  }

  MemberNetwork& network;
  const int number;
  const std::filesystem::path directory;
  std::vector<ListedServer> servers;
  cluster::ClusterMetadata initial;
  bool secured = false;
  std::function<Result<std::vector<std::string>>(const std::string&)> resolve;  // DNS, where it is used
  seconds resolve_interval{1};
  std::string what_was_fatal() {
    const std::lock_guard lock(fatal_mutex);
    return fatal;
  }

  std::atomic<int> disk_wait = 0;             // milliseconds
  std::vector<peer::CopyStatus> copies;       // as it tells the others; set before it starts
  std::vector<peer::CopyPosition> positions;  // as it finds them on its disk
  std::mutex fatal_mutex;
  std::string fatal;  // guarded by fatal_mutex
  std::set<std::uint64_t> what_was_lost() {
    const std::lock_guard lock(fatal_mutex);
    return lost;
  }
  std::set<std::uint64_t> lost;  // copies; guarded by fatal_mutex
  MetricsRegistry metrics;
  std::unique_ptr<NetworkView> view;
  std::unique_ptr<IdentityFile> identity;
  std::unique_ptr<Membership> member;
};

class MembershipTest : public ::testing::Test {
 protected:
  MembershipTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "membership-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
    for (int number = 1; number <= 3; ++number) {
      servers_.push_back({"node-" + std::to_string(number), "host-" + std::to_string(number) + ":15003"});
    }
    for (int number = 1; number <= 3; ++number) {
      processes_.push_back(std::make_unique<Process>(network_, root_, number, servers_));
    }
  }
  ~MembershipTest() override {
    processes_.clear();
    std::filesystem::remove_all(root_);
  }

  Process& process(int number) { return *processes_.at(static_cast<std::size_t>(number - 1)); }
  std::shared_ptr<const cluster::ClusterMetadata> metadata(int number) {
    return process(number).member->metadata().current();
  }
  /// Polls; a test that waits longer than a minute has failed.
  static bool until(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + seconds(60);
    while (std::chrono::steady_clock::now() < deadline) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  bool formed(int number) {
    return until([&] { return metadata(number)->formed && process(number).member->problems().empty(); });
  }
  void start_all() {
    for (auto& each : processes_) each->start();
    for (int number = 1; number <= 3; ++number) ASSERT_TRUE(formed(number));
  }
  int leader() {
    int found = 0;
    until([&] {
      for (auto& each : processes_) {
        if (!each->member) continue;
        const auto name = each->member->metadata().leader();
        if (name.value().empty()) continue;
        const int number = name.value().back() - '0';
        if (process(number).member && process(number).member->metadata().leader() == name) found = number;
      }
      return found != 0;
    });
    return found;
  }
  static cluster::CreateCollection docs() {
    cluster::CreateCollection create;
    create.config.name = "docs";
    create.config.dimension = 2;
    create.config.sharding.shard_count = 6;
    create.config.sharding.replication_factor = 2;
    return create;
  }

  std::filesystem::path root_;
  MemberNetwork network_;
  std::vector<ListedServer> servers_;
  std::vector<std::unique_ptr<Process>> processes_;
};

TEST_F(MembershipTest, ThreeNodesFormInWhateverOrderTheyStart) {
  process(3).start();
  process(2).start();
  ASSERT_TRUE(until([&] {
    const auto problems = process(2).member->problems();
    return !problems.empty() && problems.front() == "forming: waiting for node-1";
  }));
  ASSERT_TRUE(until([&] {
    const auto problems = process(3).member->problems();
    return !problems.empty() && problems.front().find("waiting for node-1") != std::string::npos;
  }));
  const auto refused = process(3).member->metadata().propose(docs());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().type, ErrorType::kNoLeader);
  EXPECT_THAT(refused.error().message, HasSubstr("waiting for node-1"));
  process(1).start();
  for (int number = 1; number <= 3; ++number) ASSERT_TRUE(formed(number)) << number;
  EXPECT_EQ(metadata(1)->cluster_id, metadata(3)->cluster_id);
  EXPECT_EQ(metadata(3)->nodes.size(), 3U);
  EXPECT_TRUE(until([&] { return metadata(2)->protocol == known_protocol(); })) << "all know it";
}

TEST_F(MembershipTest, EveryNodeTakesCommandsAndSeesThemAtOnce) {
  start_all();
  for (int number = 1; number <= 3; ++number) {
    auto create = docs();
    create.config.name += std::to_string(number);
    const auto decided = process(number).member->metadata().propose(create);
    ASSERT_TRUE(decided) << decided.error().message;
    EXPECT_NE(metadata(number)->find(create.config.name), nullptr);
    for (int other = 1; other <= 3; ++other) {
      ASSERT_TRUE(process(other).member->metadata().catch_up());
      EXPECT_NE(metadata(other)->find(create.config.name), nullptr);
    }
  }
}

TEST_F(MembershipTest, AMinorityRefusesAndLosesItsLease) {
  start_all();
  const int lonely = leader();
  ASSERT_NE(lonely, 0);
  network_.cut(process(lonely).endpoint());
  ASSERT_TRUE(until([&] { return !process(lonely).member->lease_valid(); }));
  const auto refused = process(lonely).member->metadata().propose(docs());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().type, ErrorType::kNoLeader);
  const int other = lonely % 3 + 1;
  ASSERT_TRUE(until([&] {
    const auto now = metadata(other);
    return now->nodes.at(process(lonely).identity->current().node).status == cluster::NodeStatus::kUnhealthy;
  }));
  EXPECT_TRUE(process(other).member->metadata().propose(docs()));
  network_.heal(process(lonely).endpoint());
  ASSERT_TRUE(
      until([&] { return process(lonely).member->lease_valid() && metadata(lonely)->find("docs") != nullptr; }));
}

TEST_F(MembershipTest, ARestartedNodeComesBackAsItself) {
  start_all();
  const auto before = metadata(2)->nodes.at(NodeId("node-2"));
  process(2).kill();
  process(2).start();
  ASSERT_TRUE(until([&] {
    const auto now = metadata(1)->nodes.at(NodeId("node-2"));
    return now.boot_epoch == before.boot_epoch + 1 && now.raft_id == before.raft_id;
  }));
  ASSERT_TRUE(until([&] { return process(2).member->lease_valid(); }));
}

TEST_F(MembershipTest, AWipedNodeJoinsAgainAsAnotherOne) {
  start_all();
  const auto before = metadata(1)->nodes.at(NodeId("node-1"));
  process(1).kill();
  process(1).wipe();
  process(1).start();
  ASSERT_TRUE(until([&] {
    const auto now = metadata(2)->nodes.at(NodeId("node-1"));
    return now.raft_id != before.raft_id && now.status == cluster::NodeStatus::kActive;
  }));
  EXPECT_EQ(metadata(2)->cluster_id, metadata(3)->cluster_id);
  ASSERT_TRUE(formed(1));
  EXPECT_EQ(metadata(1)->cluster_id, metadata(2)->cluster_id);
}

TEST_F(MembershipTest, ANewcomerIsNotTakenForDeadBeforeItWasHeard) {
  start_all();
  const NodeId third("node-3");
  const auto raft_id = metadata(1)->nodes.at(third).raft_id;
  process(3).kill();
  process(3).wipe();
  ASSERT_TRUE(until([&] { return metadata(1)->nodes.at(third).status == cluster::NodeStatus::kUnhealthy; }));
  process(3).start();
  bool unhealthy = false;
  ASSERT_TRUE(until([&] {
    const auto now = metadata(1)->nodes.at(third);
    unhealthy = unhealthy || (now.raft_id != raft_id && now.status == cluster::NodeStatus::kUnhealthy);
    return now.raft_id != raft_id && process(3).member->lease_valid() && process(3).member->problems().empty();
  }));
  EXPECT_FALSE(unhealthy);
}

/// Node 3 gets a disk of before. The others remember its starts, and how far it said that it was.
class PutBackTest : public MembershipTest {
 protected:
  void copy_disk() { std::filesystem::copy(node_.directory, copy_, std::filesystem::copy_options::recursive); }
  void put_back() {
    node_.kill();
    std::filesystem::remove_all(node_.directory);
    std::filesystem::copy(copy_, node_.directory, std::filesystem::copy_options::recursive);
  }
  peer::Remembered remembered_by(int number) {
    auto remembered = process(number).member->remembered({.raft_id = raft_id_});
    return remembered ? *remembered : peer::Remembered();
  }
  void restart() {
    node_.kill();
    node_.start();
    const auto started = node_.identity->current().boot_nonce;
    ASSERT_TRUE(until([&] { return remembered_by(1).boot_nonce == started; }));
  }
  /// Until the others know that it is further than it can have been when this began.
  void get_on() {
    raft_id_ = node_.identity->current().raft_id;
    const auto before = remembered_by(1).positions.raft_index;
    for (int i = 0; i < 20; ++i) {
      auto& log = process(1).member->metadata();
      ASSERT_TRUE(log.propose(docs()));
      ASSERT_TRUE(log.propose(cluster::DropCollection{"docs"}));
    }
    for (const int number : {1, 2}) {
      ASSERT_TRUE(until([&] { return remembered_by(number).positions.raft_index > before + 40; })) << number;
    }
  }
  void expect_refused() {
    const auto started = node_.try_start();
    ASSERT_FALSE(started);
    EXPECT_THAT(started.error().message, HasSubstr("put back to an earlier state"));
    EXPECT_THAT(started.error().message, HasSubstr("Wipe this node"));
  }

  Process& node_ = process(3);
  const std::filesystem::path copy_ = root_ / "copy";
  std::uint64_t raft_id_ = 0;
};

TEST_F(PutBackTest, ACopyThatWasTakenWhileItWasStopped) {
  start_all();
  raft_id_ = node_.identity->current().raft_id;
  node_.kill();
  copy_disk();
  restart();
  put_back();
  expect_refused();
}

TEST_F(PutBackTest, ACopyThatWasTakenWhileItWasStoppedAndAnotherRestart) {
  start_all();
  raft_id_ = node_.identity->current().raft_id;
  node_.kill();
  copy_disk();
  restart();
  restart();
  put_back();
  expect_refused();
}

TEST_F(PutBackTest, ACopyThatWasTakenLive) {
  start_all();
  copy_disk();
  get_on();
  put_back();
  expect_refused();
}

TEST_F(PutBackTest, ACopyThatWasTakenLiveAndAnotherRestart) {
  start_all();
  copy_disk();
  get_on();
  restart();
  put_back();
  expect_refused();
}

TEST_F(PutBackTest, TheOthersRememberOverTheirOwnRestartAndAreAskedWhenTheyCome) {
  start_all();
  copy_disk();
  get_on();
  put_back();
  process(1).kill();
  process(2).kill();
  node_.start();  // nobody is there to ask
  process(1).start();
  EXPECT_TRUE(until([&] { return node_.what_was_fatal().find("put back to an earlier state") != std::string::npos; }));
}

TEST_F(PutBackTest, TheSameDiskIsNotRefused) {
  start_all();
  get_on();
  restart();
  restart();
  EXPECT_TRUE(formed(3));
  EXPECT_EQ(node_.what_was_fatal(), "");
}

TEST_F(PutBackTest, ACopyOfAShardThatIsBehindWhatItHadApplied) {
  peer::CopyStatus copy;
  copy.copy = 7;
  copy.term = 2;
  copy.applied = 50;
  node_.copies = {copy};
  start_all();
  raft_id_ = node_.identity->current().raft_id;
  const std::vector<peer::CopyPosition> known{{7, 2, 50}};
  ASSERT_TRUE(until([&] { return remembered_by(2).positions.copies == known; }));
  node_.kill();
  for (const auto& behind : {peer::CopyPosition{7, 2, 49}, peer::CopyPosition{7, 1, 50}}) {
    node_.positions = {behind};
    node_.lost.clear();
    node_.start();
    EXPECT_EQ(node_.what_was_lost(), std::set<std::uint64_t>{7}) << "the copy is lost, and not the node";
    node_.kill();
  }
  node_.lost.clear();
  node_.positions = {{7, 3, 50}, {8, 1, 1}};
  node_.start();
  EXPECT_TRUE(node_.what_was_lost().empty());
}

TEST_F(MembershipTest, TheClusterOutlivesARestartOfAll) {
  start_all();
  ASSERT_TRUE(process(2).member->metadata().propose(docs()));
  for (auto& each : processes_) each->kill();
  for (auto& each : processes_) each->start();
  for (int number = 1; number <= 3; ++number) {
    ASSERT_TRUE(until([&] { return metadata(number)->find("docs") != nullptr; })) << number;
  }
}

/// The same nodes, found by DNS: what it answers is up to the test.
class DnsMembershipTest : public MembershipTest {
 protected:
  DnsMembershipTest() {
    for (auto& each : processes_) {
      each->resolve = [this](const std::string&) -> Result<std::vector<std::string>> {
        const std::lock_guard lock(mutex_);
        ++asked_;
        return addresses_;
      };
    }
  }
  ~DnsMembershipTest() override {
    for (auto& each : processes_) each->kill();  // they ask for the addresses
  }
  void answer(std::vector<std::string> addresses) {
    const std::lock_guard lock(mutex_);
    addresses_ = std::move(addresses);
  }
  int asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

  std::mutex mutex_;
  std::vector<std::string> addresses_;
  int asked_ = 0;
};

TEST_F(DnsMembershipTest, APartialAnswerFormsNothing) {
  answer({"host-1", "host-2"});
  for (auto& each : processes_) each->start();
  ASSERT_TRUE(until([&] {
    const auto problems = process(1).member->problems();
    return !problems.empty() && problems.front() == "forming: 2 of 3 expected nodes found";
  }));
  EXPECT_TRUE(metadata(1)->cluster_id.empty());
  answer({"host-1", "host-2", "host-3"});
  for (int number = 1; number <= 3; ++number) ASSERT_TRUE(formed(number)) << number;
  EXPECT_EQ(metadata(1)->cluster_id, metadata(3)->cluster_id);
}

TEST_F(DnsMembershipTest, AnEmptyAnswerRemovesNobody) {
  answer({"host-1", "host-2", "host-3"});
  start_all();
  answer({});
  process(2).kill();
  process(2).start();
  ASSERT_TRUE(until([&] { return process(2).member->lease_valid(); }));
  EXPECT_EQ(metadata(1)->nodes.size(), 3U);
}

TEST_F(DnsMembershipTest, ANodeThatComesBackAtAnotherAddressIsFound) {
  answer({"host-1", "host-2", "host-3"});
  start_all();
  process(3).kill();
  process(3).servers[2].endpoint = "host-9:15003";
  answer({"host-1", "host-2", "host-9"});
  process(3).start();
  ASSERT_TRUE(until(
      [&] { return process(3).member->lease_valid() && metadata(1)->nodes.at(NodeId("node-3")).address == "host-9"; }));
  EXPECT_TRUE(process(3).member->metadata().propose(docs()));
}

TEST_F(DnsMembershipTest, ANodeThatIsThereBeforeItsAddressFindsItselfLongBeforeTheNextResolution) {
  for (auto& each : processes_) each->resolve_interval = seconds(3600);
  answer({"host-1", "host-2", "host-3"});
  start_all();
  process(3).kill();
  process(3).servers[2].endpoint = "host-9:15003";
  const int before = asked();
  process(3).start();
  // At its start, in its first round, and again and again.
  ASSERT_TRUE(until([&] { return asked() >= before + 5 && metadata(3)->formed; }));
  answer({"host-1", "host-2", "host-9"});
  ASSERT_TRUE(until(
      [&] { return process(3).member->lease_valid() && metadata(1)->nodes.at(NodeId("node-3")).address == "host-9"; }));
}

TEST_F(DnsMembershipTest, AMemberThatFindsNoAddressIsNotForming) {
  answer({"host-1", "host-2", "host-3"});
  start_all();
  ASSERT_TRUE(until([&] { return process(2).identity->current().state == peer::IdentityState::kMember; }));
  answer({});
  process(2).kill();
  const int before = asked();
  process(2).start();
  ASSERT_TRUE(until([&] { return process(2).member->lease_valid(); }));
  const int then = asked();
  ASSERT_TRUE(until([&] { return asked() > std::max(before, then) + 3; }));
  EXPECT_THAT(process(2).member->problems(), ::testing::IsEmpty());
}

TEST_F(MembershipTest, ASingleNodesCollectionsBecomeThoseOfTheCluster) {
  cluster::NodeRecord self;
  self.id = NodeId("node-2");
  auto metadata = cluster::apply({}, cluster::UpsertNode{self});
  ASSERT_TRUE(metadata);
  auto create = docs();
  create.config.sharding.replication_factor = 1;
  metadata = cluster::apply(*metadata, create);
  ASSERT_TRUE(metadata) << metadata.error().message;
  process(2).initial = *metadata;
  start_all();
  EXPECT_NE(this->metadata(1)->find("docs"), nullptr);
}

TEST_F(MembershipTest, ASingleNodeKeepsItsDataUnderAnotherName) {
  cluster::NodeRecord self;
  self.id = NodeId("node-1");  // the default, and the name of another node of the cluster
  auto metadata = cluster::apply({}, cluster::UpsertNode{self});
  ASSERT_TRUE(metadata);
  auto create = docs();
  create.config.sharding.replication_factor = 1;
  metadata = cluster::apply(*metadata, create);
  ASSERT_TRUE(metadata) << metadata.error().message;
  process(2).initial = *metadata;
  start_all();
  const auto formed = this->metadata(1);
  ASSERT_NE(formed->find("docs"), nullptr);
  for (const auto& shard : formed->find("docs")->shards) {
    const auto& placement = formed->placements.at(shard);
    ASSERT_EQ(placement.copies.size(), 1U);
    EXPECT_EQ(placement.copies.front().node, NodeId("node-2"));
    EXPECT_EQ(placement.copies.front().node_uuid, formed->nodes.at(NodeId("node-2")).uuid);
  }
}

TEST_F(MembershipTest, EveryNodeKnowsWhenAnotherWasLastHeardAndWhatItHolds) {
  start_all();
  const NodeId gone("node-3");
  for (int number = 1; number <= 3; ++number) {
    EXPECT_TRUE(until([&] { return process(number).member->contacts().contains(gone); })) << number;
  }
  EXPECT_TRUE(until([&] {
    const auto one = process(1).member->ask(NodeId("node-1")), two = process(1).member->ask(NodeId("node-2"));
    return one && two && !one->metadata_digest.empty() && one->metadata_epoch == two->metadata_epoch &&
           one->metadata_digest == two->metadata_digest;
  }));
  const auto hash = process(1).member->servers_hash();
  EXPECT_TRUE(until([&] { return process(2).member->contacts().at(gone).servers_hash == hash; }));

  process(3).kill();
  const auto died = std::chrono::system_clock::now();
  for (int number = 1; number <= 2; ++number) {
    EXPECT_FALSE(process(number).member->ask(gone));
    EXPECT_TRUE(until([&] { return metadata(number)->nodes.at(gone).status == cluster::NodeStatus::kUnhealthy; }));
    const auto seen = process(number).member->contacts().at(gone).seen;
    EXPECT_LT(seen, died + std::chrono::milliseconds(500));
    EXPECT_GT(seen, died - seconds(20));
    EXPECT_TRUE(until([&] { return process(number).member->contacts().at(NodeId("node-1")).seen > died; }));
  }
}

TEST_F(MembershipTest, OnlyMembersOfTheClusterAreToldWhatANodeHolds) {
  start_all();
  peer::Hello stranger;
  stranger.node = NodeId("stranger");
  EXPECT_TRUE(process(1).member->hello(stranger)->metadata_digest.empty());
  EXPECT_FALSE(process(1).member->contacts().contains(stranger.node));
}

int follower_of(int leader) {
  return leader % 3 + 1;
}

TEST_F(MembershipTest, ANodeThatNoOtherReachesIsGivenNoLeaseUntilOneDoes) {
  start_all();
  const int deaf = follower_of(leader());
  network_.deafen(process(deaf).endpoint(), true);  // its beats still arrive
  const auto status = [&] { return metadata(leader())->nodes.at(NodeId("node-" + std::to_string(deaf))).status; };
  EXPECT_TRUE(until([&] { return !process(deaf).member->lease_valid(); }));
  EXPECT_TRUE(until([&] { return status() == cluster::NodeStatus::kUnhealthy; }));
  EXPECT_THAT(process(deaf).member->problems(), ::testing::Contains(HasSubstr("majority of the nodes cannot reach")));
  network_.deafen(process(deaf).endpoint(), false);
  EXPECT_TRUE(until([&] { return process(deaf).member->lease_valid(); }));
  EXPECT_TRUE(until([&] { return status() == cluster::NodeStatus::kActive; }));
}

TEST_F(MembershipTest, ANodeWhoseDiskHangsRenewsNoLeaseUntilItAnswers) {
  start_all();
  const int hung = follower_of(leader());
  process(hung).disk_wait = 6000;
  EXPECT_TRUE(until([&] { return !process(hung).member->lease_valid(); }));
  EXPECT_THAT(process(hung).member->problems(), ::testing::Contains(HasSubstr("the disk hangs")));
  for (int number = 1; number <= 3; ++number) {
    EXPECT_EQ(process(number).member->lease_valid(), number != hung);
  }
  process(hung).disk_wait = 0;
  EXPECT_TRUE(until([&] { return process(hung).member->lease_valid(); }));
}

TEST_F(MembershipTest, ANodeThatWasDrainedLeavesAndComesBackOnlyEmpty) {
  start_all();
  const int leaver = leader();  // it passes the metadata on before it leaves
  const int other = leaver % 3 + 1;
  const NodeId name("node-" + std::to_string(leaver));
  const auto raft_id = metadata(other)->nodes.at(name).raft_id;
  ASSERT_TRUE(process(other).member->metadata().propose(
      cluster::SetNodeStatus{name, raft_id, cluster::NodeStatus::kActive, cluster::NodeStatus::kDraining}));
  ASSERT_TRUE(until([&] { return metadata(other)->nodes.at(name).status == cluster::NodeStatus::kRemoved; }));
  ASSERT_TRUE(until([&] {
    const auto problems = process(leaver).member->problems();
    return !problems.empty() && problems.front().find("was removed from the cluster") != std::string::npos;
  }));
  EXPECT_FALSE(process(leaver).member->metadata().propose(docs()));
  EXPECT_TRUE(process(other).member->metadata().propose(docs()));

  process(leaver).kill();
  const auto refused = process(leaver).try_start();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("empty its data directory"));
  process(leaver).kill();
  process(leaver).wipe();
  process(leaver).start();
  EXPECT_TRUE(until([&] {
    const auto& node = metadata(other)->nodes.at(name);
    return node.status == cluster::NodeStatus::kActive && node.raft_id != raft_id;
  }));
}

TEST_F(MembershipTest, ANodeThatWasAwayWhenItWasRemovedHearsOfItWhenItReturns) {
  start_all();
  const int gone = leader() % 3 + 1, other = gone % 3 + 1;
  const NodeId name("node-" + std::to_string(gone));
  network_.cut(process(gone).endpoint());
  ASSERT_TRUE(until([&] { return metadata(other)->nodes.at(name).status == cluster::NodeStatus::kUnhealthy; }));
  ASSERT_TRUE(process(other).member->metadata().propose(
      cluster::RemoveNode{name, metadata(other)->nodes.at(name).raft_id, true}));
  network_.heal(process(gone).endpoint());
  EXPECT_TRUE(until([&] {
    return process(gone).identity->current().state == peer::IdentityState::kRemoved &&
           process(gone).member->problems().front().find("was removed") != std::string::npos;
  }));
}

TEST_F(MembershipTest, ANodeThatWasAddedJoinsIfItMayTrustTheCaller) {
  start_all();
  // It lists nobody who is there.
  std::vector<ListedServer> servers;
  for (int number = 1; number <= 3; ++number) {
    servers.push_back({"old-" + std::to_string(number), "gone-" + std::to_string(number) + ":15003"});
  }
  servers.push_back({"node-4", "host-4:15003"});
  Process added(network_, root_, 4, servers);
  cluster::NodeRecord record;
  record.id = NodeId("node-4");
  record.address = "host-4";
  record.grpc_port = 15003;
  record.status = cluster::NodeStatus::kJoining;
  ASSERT_TRUE(process(2).member->metadata().propose(cluster::UpsertNode{record, 0}));
  const auto problem = [&] { return metadata(1)->nodes.at(NodeId("node-4")).problem; };
  ASSERT_TRUE(until([&] { return problem() == "it does not answer at host-4:15003"; }));
  added.start();
  ASSERT_TRUE(until([&] { return problem().empty(); })) << "it could join";
  EXPECT_EQ(added.identity->current().state, peer::IdentityState::kVirgin) << "a stranger calls";
  added.kill();
  added.secured = true;
  added.start();
  EXPECT_TRUE(until([&] { return metadata(1)->nodes.at(NodeId("node-4")).status == cluster::NodeStatus::kActive; }));
  added.kill();
}

}  // namespace
}  // namespace vectorizer::control
