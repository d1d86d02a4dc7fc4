#include <gtest/gtest.h>

#include <array>
#include <future>

#include "unit/rpc/fakes.hpp"

namespace vectorizer::rpc {
namespace {

using std::chrono::milliseconds;
using testing::Gate;
using testing::Pair;

constexpr std::size_t kTenMegabytes = 10'000'000;

std::string pattern(std::size_t bytes, unsigned start) {
  std::string out(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) out[i] = static_cast<char>((i * 131 + start) % 251);
  return out;
}

std::string read_all(peer::ByteStream& stream, std::size_t bytes) {
  std::string out;
  std::vector<char> buffer(70'000);
  while (out.size() < bytes) {
    const auto got = stream.read(buffer);
    if (!got || *got == 0) break;
    out.append(buffer.data(), *got);
  }
  return out;
}

class RaftStream : public ::testing::Test, protected Pair {
 protected:
  static peer::StreamRoute route() { return {testing::kClientRaft, testing::kServerRaft, "n-b"}; }
  Result<std::unique_ptr<peer::ByteStream>> connect() { return peers->connect(route(), std::stop_token()); }
};

TEST_F(RaftStream, TenMegabytesBothWaysAtOnce) {
  const std::string there = pattern(kTenMegabytes, 1), back = pattern(kTenMegabytes, 2);
  std::string received;
  raft_stream = [&](const peer::StreamRoute& got, peer::ByteStream& stream) -> Result<void> {
    EXPECT_EQ(got.from, testing::kClientRaft);
    EXPECT_EQ(got.to, testing::kServerRaft);
    EXPECT_EQ(got.from_address, "n-b");
    std::thread writer([&] { EXPECT_TRUE(stream.write(back)); });
    received = read_all(stream, there.size());
    writer.join();
    return {};
  };
  start();
  auto stream = connect();
  ASSERT_TRUE(stream) << stream.error().message;
  std::string got_back;
  std::thread reader([&] { got_back = read_all(**stream, back.size()); });
  const auto written = (*stream)->write(there);
  EXPECT_TRUE(written) << written.error().message;
  reader.join();
  EXPECT_TRUE(got_back == back);
  std::array<char, 1> byte{};
  const auto end = (*stream)->read(byte);  // the server's handler has returned: in good order
  ASSERT_TRUE(end) << end.error().message;
  EXPECT_EQ(*end, 0U);
  EXPECT_TRUE(received == there);
}

TEST_F(RaftStream, ClosingHereEndsTheOtherSideAndTheBlockedReader) {
  std::promise<bool> ended;
  raft_stream = [&](const peer::StreamRoute&, peer::ByteStream& stream) -> Result<void> {
    std::array<char, 16> buffer{};
    for (;;) {
      const auto got = stream.read(buffer);
      if (!got || *got == 0) break;
    }
    ended.set_value(true);
    return {};
  };
  start();
  auto stream = connect();
  ASSERT_TRUE(stream) << stream.error().message;
  auto reading = std::async(std::launch::async, [&] {
    std::array<char, 1> byte{};
    const auto got = (*stream)->read(byte);
    return !got || *got == 0;
  });
  ASSERT_TRUE((*stream)->write("abc"));
  (*stream)->close();
  (*stream)->close();
  EXPECT_TRUE(reading.get());
  EXPECT_FALSE((*stream)->write("more"));
  EXPECT_EQ(ended.get_future().wait_for(milliseconds(10'000)), std::future_status::ready);
}

TEST_F(RaftStream, ClosingThereEndsThisSide) {
  raft_stream = [&](const peer::StreamRoute&, peer::ByteStream& stream) -> Result<void> {
    std::array<char, 3> buffer{};
    EXPECT_TRUE(stream.read(buffer));
    stream.close();
    EXPECT_FALSE(stream.write("x"));
    return {};
  };
  start();
  auto stream = connect();
  ASSERT_TRUE(stream) << stream.error().message;
  ASSERT_TRUE((*stream)->write("abc"));
  std::array<char, 1> byte{};
  const auto got = (*stream)->read(byte);
  EXPECT_TRUE(!got || *got == 0);
  Result<void> written;
  while (written)
    written = (*stream)->write(std::string(100'000, 'x'));  // notices, at the latest when buffers are full
}

TEST_F(RaftStream, WhoWritesFasterThanTheOtherReadsIsHeldUp) {
  Gate gate;
  raft_stream = [&](const peer::StreamRoute&, peer::ByteStream& stream) -> Result<void> {
    std::array<char, 1> byte{};
    EXPECT_TRUE(stream.read(byte));
    gate.wait();
    EXPECT_EQ(read_all(stream, 199'999'999).size(), 199'999'999U);
    return {};
  };
  start();
  auto stream = connect();
  ASSERT_TRUE(stream) << stream.error().message;
  std::atomic<int> written{0};
  std::thread writer([&] {
    const std::string part(1'000'000, 'x');
    for (int i = 0; i < 200 && (*stream)->write(part); ++i) ++written;
  });
  const auto start_time = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - start_time < milliseconds(500)) std::this_thread::yield();
  EXPECT_LT(written, 100);  // most of it waits here, not in memory
  gate.open();
  writer.join();
  EXPECT_EQ(written, 200);
  EXPECT_EQ(read_all(**stream, 1), "");  // until the other side is done: closing would cut off what is on its way
}

TEST_F(RaftStream, ARefusalOfTheOtherSideIsTheErrorOfConnect) {
  raft_stream = [&](const peer::StreamRoute&, peer::ByteStream&) -> Result<void> {
    return Error{ErrorType::kConflict, "this is the member n-16"};
  };
  start();
  const auto stream = connect();
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().type, ErrorType::kConflict);
  EXPECT_EQ(stream.error().message, "this is the member n-16");
}

TEST_F(RaftStream, AnUnknownMemberAStrangerAndADeadNodeAreErrors) {
  raft_stream = [&](const peer::StreamRoute&, peer::ByteStream&) -> Result<void> { return {}; };
  start();
  EXPECT_FALSE(peers->connect({testing::kClientRaft, 99, "n-b"}, std::stop_token()));
  client_identity.set({"cluster-b", NodeId("node-1"), testing::kClientRaft});
  const auto stranger = connect();
  ASSERT_FALSE(stranger);
  EXPECT_NE(stranger.error().message.find("cluster-b"), std::string::npos);
  client_identity.set({"cluster-a", NodeId("node-1"), testing::kClientRaft});
  server->stop(milliseconds(0));
  const auto dead = connect();
  ASSERT_FALSE(dead);
  EXPECT_EQ(dead.error().type, ErrorType::kNodeUnreachable);
}

TEST_F(RaftStream, ASideThatDoesNotAcceptIsGivenUpAndAStopIsHeard) {
  Gate gate;
  raft_stream = [&](const peer::StreamRoute&, peer::ByteStream&) -> Result<void> {
    gate.wait();
    return {};
  };
  client_options.connect_timeout = milliseconds(300);
  start();
  const auto start_time = std::chrono::steady_clock::now();
  EXPECT_FALSE(connect());
  EXPECT_LT(std::chrono::steady_clock::now() - start_time, milliseconds(5000));

  peers->stop();
  client_options.connect_timeout = milliseconds(60'000);
  start_client();
  std::stop_source stop;
  auto connecting = std::async(std::launch::async, [&] { return peers->connect(route(), stop.get_token()); });
  stop.request_stop();
  EXPECT_FALSE(connecting.get());
  gate.open();
  server->stop(milliseconds(0));  // the handlers use what ends here
}

TEST_F(RaftStream, WithASecret) {
  raft_stream = [&](const peer::StreamRoute&, peer::ByteStream& stream) -> Result<void> {
    return stream.write(read_all(stream, 3));
  };
  server_options.secret = client_options.secret = "s3cret";
  start();
  auto stream = connect();
  ASSERT_TRUE(stream) << stream.error().message;
  ASSERT_TRUE((*stream)->write("abc"));
  EXPECT_EQ(read_all(**stream, 3), "abc");
}

TEST_F(RaftStream, StoppingTheServerEndsStreamsAndWaitsForTheirHandlers) {
  std::atomic<int> handlers{0};
  raft_stream = [&](const peer::StreamRoute&, peer::ByteStream& stream) -> Result<void> {
    ++handlers;
    read_all(stream, SIZE_MAX);
    --handlers;
    return {};
  };
  start();
  std::vector<std::unique_ptr<peer::ByteStream>> streams;
  for (int i = 0; i < 3; ++i) {
    auto stream = connect();
    ASSERT_TRUE(stream) << stream.error().message;
    streams.push_back(*std::move(stream));
  }
  EXPECT_EQ(handlers, 3);
  const auto start_time = std::chrono::steady_clock::now();
  server->stop(milliseconds(10'000));
  EXPECT_LT(std::chrono::steady_clock::now() - start_time, milliseconds(5000));
  EXPECT_EQ(handlers, 0);
  std::array<char, 1> byte{};
  for (auto& stream : streams) {
    const auto got = stream->read(byte);
    EXPECT_TRUE(!got || *got == 0);
  }
}

TEST_F(RaftStream, StoppingTheClientEndsStreamsThatAreStillHeld) {
  raft_stream = [&](const peer::StreamRoute&, peer::ByteStream& stream) -> Result<void> {
    read_all(stream, SIZE_MAX);
    return {};
  };
  start();
  auto stream = connect();
  ASSERT_TRUE(stream) << stream.error().message;
  peers->stop();
  std::array<char, 1> byte{};
  EXPECT_FALSE((*stream)->read(byte));
  peers.reset();
  stream->reset();  // after everything it came from
}

TEST_F(RaftStream, MoreStreamsThanAllowedAreRefused) {
  raft_stream = [&](const peer::StreamRoute&, peer::ByteStream& stream) -> Result<void> {
    read_all(stream, SIZE_MAX);
    return {};
  };
  server_options.max_raft_streams = 2;
  start();
  auto first = connect(), second = connect();
  ASSERT_TRUE(first && second);
  const auto third = connect();
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().type, ErrorType::kOverloaded);
}

}  // namespace
}  // namespace vectorizer::rpc
