#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <future>

#include "unit/rpc/fakes.hpp"
#include "vectorizer/rpc/v1/replication.grpc.pb.h"

namespace vectorizer::rpc {
namespace {

namespace wire = vectorizer::rpc::v1;
using Outcome = peer::ReplicateReply::Outcome;
using testing::Pair;

/// Keeps what came, and refuses where the test says.
class RecordingSink final : public peer::CheckpointSink {
 public:
  Result<void> header(const peer::CheckpointHeader& header) override {
    headers.push_back(header);
    return {};
  }
  Result<void> points(std::string bytes) override {
    slices.push_back(bytes);
    all_points += bytes;
    if (all_points.size() >= refuse_points_at) return Error{ErrorType::kStorageFull, "no room"}.with("free", 0);
    return {};
  }
  Result<void> index(std::string bytes) override {
    largest = std::max(largest, bytes.size());
    all_index += bytes;
    return {};
  }

  std::vector<peer::CheckpointHeader> headers;
  std::vector<std::string> slices;  // of points
  std::string all_points, all_index;
  std::size_t largest = 0;  // slice of the index
  std::size_t refuse_points_at = SIZE_MAX;
};

std::string pattern(std::size_t bytes, unsigned start) {
  std::string out(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) out[i] = static_cast<char>((i * 31 + start) % 251);
  return out;
}

class ReplicationCalls : public ::testing::Test, protected Pair {
 protected:
  Result<peer::ReplicateReply> replicate(peer::ReplicateRequest request) {
    std::promise<Result<peer::ReplicateReply>> promise;
    auto future = promise.get_future();
    replica()->replicate(std::move(request), [&](Result<peer::ReplicateReply> reply) { promise.set_value(reply); });
    return future.get();
  }
};

TEST_F(ReplicationCalls, ARequestArrivesWholeAndEveryOutcomeComesBack) {
  start();
  const std::vector<Outcome> outcomes{Outcome::kAccepted, Outcome::kStaleTerm, Outcome::kMismatch, Outcome::kDiverged,
                                      Outcome::kNotHere,  Outcome::kFetching,  Outcome::kFailed};
  for (const Outcome outcome : outcomes) {
    replication.on_replicate = [&](peer::ReplicateRequest got, peer::ReplicationPeer::OnReply on_reply) {
      EXPECT_EQ(got.shard, ShardId(3));
      EXPECT_EQ(got.copy, 33U);
      EXPECT_EQ(got.term, 4U);
      EXPECT_EQ(got.primary, NodeId("node-1"));
      EXPECT_EQ(got.previous, (LogPosition{10, 3}));
      EXPECT_EQ(got.commit, 9U);
      EXPECT_EQ(got.entries, (std::vector<LogEntry>{{11, 14, 4, std::string("\0a", 2)}, {15, 15, 4, ""}}));
      EXPECT_TRUE(got.fetch_checkpoint);
      peer::ReplicateReply reply;
      reply.outcome = outcome;
      reply.term = 8;
      reply.last = {15, 4};
      reply.applied = 9;
      reply.terms = {{1, 1}, {4, 11}};
      on_reply(reply);
    };
    peer::ReplicateRequest request;
    request.shard = ShardId(3);
    request.copy = 33;
    request.term = 4;
    request.primary = NodeId("node-1");
    request.previous = {10, 3};
    request.commit = 9;
    request.entries = {{11, 14, 4, std::string("\0a", 2)}, {15, 15, 4, ""}};
    request.fetch_checkpoint = true;
    const auto reply = replicate(request);
    ASSERT_TRUE(reply) << reply.error().message;
    EXPECT_EQ(reply->outcome, outcome);
    EXPECT_EQ(reply->term, 8U);
    EXPECT_EQ(reply->last, (LogPosition{15, 4}));
    EXPECT_EQ(reply->applied, 9U);
    EXPECT_EQ(reply->terms, (std::vector<peer::TermStart>{{1, 1}, {4, 11}}));
  }
}

TEST_F(ReplicationCalls, AnAnswerThatNeverComesIsATimeout) {
  client_options.timeout = std::chrono::milliseconds(200);
  start();
  std::vector<peer::ReplicationPeer::OnReply> kept;
  testing::Gate taken;
  replication.on_replicate = [&](peer::ReplicateRequest, peer::ReplicationPeer::OnReply on_reply) {
    kept.push_back(std::move(on_reply));
    taken.open();
  };
  const auto reply = replicate({});
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().type, ErrorType::kTimeout);
  EXPECT_NE(reply.error().details.find(R"("outcome":"unknown")"), std::string::npos);
  ASSERT_TRUE(taken.wait());
  kept.clear();  // dropping it ends the call on the server
}

TEST_F(ReplicationCalls, ACheckpointArrivesWholeAndItsSlicesAsTheyWereCut) {
  start();
  // The record that fills a megabyte makes its slice a little larger.
  const std::vector<std::string> slices{pattern((1 << 20) + 4117, 1), pattern((1 << 20) + (1 << 20), 3),
                                        pattern(99, 4)};
  const std::string index = pattern(2'000'001, 2);
  replication.on_fetch = [&](const ShardId& shard, std::uint64_t term, peer::CheckpointSink& sink) -> Result<void> {
    EXPECT_EQ(shard, ShardId(6));
    EXPECT_EQ(term, 2U);
    RETURN_IF_ERROR(sink.header({{100, 2}, 12, index.size()}));
    for (const auto& slice : slices) RETURN_IF_ERROR(sink.points(slice));
    RETURN_IF_ERROR(sink.index(index.substr(0, 1 << 20)));
    return sink.index(index.substr(1 << 20));
  };
  RecordingSink sink;
  const auto done = replica()->fetch_checkpoint(ShardId(6), 2, sink);
  ASSERT_TRUE(done) << done.error().message;
  ASSERT_EQ(sink.headers.size(), 1U);
  EXPECT_EQ(sink.headers[0].at, (LogPosition{100, 2}));
  EXPECT_EQ(sink.headers[0].points, 12U);
  EXPECT_EQ(sink.headers[0].index_bytes, index.size());
  EXPECT_EQ(sink.slices, slices);
  EXPECT_EQ(sink.all_index, index);
  EXPECT_LE(sink.largest, std::size_t{1} << 20);
}

TEST_F(ReplicationCalls, ASinkThatRefusesEndsTheTransferAtBothEnds) {
  start();
  std::promise<Result<void>> source;
  replication.on_fetch = [&](const ShardId&, std::uint64_t, peer::CheckpointSink& sink) -> Result<void> {
    auto sent = sink.header({});
    const std::string part = pattern(1 << 20, 3);
    for (int i = 0; i < 10'000 && sent; ++i) sent = sink.points(part);
    source.set_value(sent);
    return sent;
  };
  RecordingSink sink;
  sink.refuse_points_at = 3 << 20;
  const auto done = replica()->fetch_checkpoint(ShardId(6), 2, sink);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().type, ErrorType::kStorageFull);
  EXPECT_EQ(done.error().details, R"({"free":0})");
  EXPECT_EQ(sink.all_points.size(), std::size_t{3} << 20);
  EXPECT_FALSE(source.get_future().get());
}

TEST_F(ReplicationCalls, ASourceThatFailsMidwaySaysWhy) {
  start();
  replication.on_fetch = [&](const ShardId&, std::uint64_t, peer::CheckpointSink& sink) -> Result<void> {
    RETURN_IF_ERROR(sink.header({}));
    RETURN_IF_ERROR(sink.points("some"));
    return Error{ErrorType::kConflict, "not primary at term 2"}.with("term", 3);
  };
  RecordingSink sink;
  const auto done = replica()->fetch_checkpoint(ShardId(6), 2, sink);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().type, ErrorType::kConflict);
  EXPECT_EQ(done.error().message, "not primary at term 2");
  EXPECT_EQ(done.error().details, R"({"term":3})");
}

TEST_F(ReplicationCalls, ACheckpointWithoutProgressTimesOut) {
  client_options.timeout = std::chrono::milliseconds(200);
  start();
  testing::Gate gate;
  replication.on_fetch = [&](const ShardId&, std::uint64_t, peer::CheckpointSink& sink) -> Result<void> {
    RETURN_IF_ERROR(sink.header({}));
    gate.wait();
    return {};
  };
  RecordingSink sink;
  const auto done = replica()->fetch_checkpoint(ShardId(6), 2, sink);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().type, ErrorType::kTimeout);
  gate.open();
  server->stop(testing::milliseconds(0));  // the handler uses what ends here
}

/// A server that sends what it is told to, right or wrong.
class WrongServer final : public wire::ReplicationService::Service {
 public:
  explicit WrongServer(std::vector<wire::CheckpointChunk> chunks) : chunks_(std::move(chunks)) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  grpc::Status FetchCheckpoint(grpc::ServerContext*, const wire::CheckpointRequest*,
                               grpc::ServerWriter<wire::CheckpointChunk>* writer) override {
    for (const auto& chunk : chunks_) writer->Write(chunk);
    return grpc::Status::OK;
  }
  std::string endpoint() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  const std::vector<wire::CheckpointChunk> chunks_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

std::vector<wire::CheckpointChunk> right_chunks() {
  std::vector<wire::CheckpointChunk> chunks(4);
  chunks[0].mutable_header();
  chunks[1].mutable_points()->set_data("123456789");
  chunks[1].mutable_points()->set_crc(0xe3069283U);
  chunks[2].mutable_index()->set_data("123456789");
  chunks[2].mutable_index()->set_crc(0xe3069283U);
  auto& end = *chunks[3].mutable_end();
  end.set_points_bytes(9);
  end.set_index_bytes(9);
  end.set_points_crc(0xe3069283U);
  end.set_index_crc(0xe3069283U);
  return chunks;
}

TEST_F(ReplicationCalls, ADamagedCheckpointIsNeverTakenForAWholeOne) {
  start_client();
  const auto fetch = [this](std::vector<wire::CheckpointChunk> chunks, RecordingSink& sink) {
    WrongServer wrong_server(std::move(chunks));
    peers->set_endpoint(testing::kServerNode, wrong_server.endpoint());
    return replica()->fetch_checkpoint(ShardId(1), 1, sink);
  };
  RecordingSink good;
  ASSERT_TRUE(fetch(right_chunks(), good));
  EXPECT_EQ(good.all_points, "123456789");

  auto flipped = right_chunks();
  flipped[1].mutable_points()->set_data("123456788");
  RecordingSink sink;
  const auto damaged = fetch(flipped, sink);
  ASSERT_FALSE(damaged);
  EXPECT_EQ(damaged.error().type, ErrorType::kInternal);
  EXPECT_EQ(sink.all_points, "");  // what is damaged does not reach the sink

  std::vector<std::vector<wire::CheckpointChunk>> wrong;
  auto without_end = right_chunks();
  without_end.pop_back();
  wrong.push_back(without_end);
  auto lost = right_chunks();
  lost.erase(lost.begin() + 1);
  wrong.push_back(lost);
  auto twice = right_chunks();
  twice.insert(twice.begin() + 1, twice[1]);
  wrong.push_back(twice);
  auto swapped = right_chunks();
  std::swap(swapped[1], swapped[2]);
  wrong.push_back(swapped);
  auto headless = right_chunks();
  headless.erase(headless.begin());
  wrong.push_back(headless);
  auto two_headers = right_chunks();
  two_headers.insert(two_headers.begin(), two_headers[0]);
  wrong.push_back(two_headers);
  auto unknown = right_chunks();
  unknown[2].Clear();
  wrong.push_back(unknown);
  wrong.push_back({});
  for (std::size_t i = 0; i < wrong.size(); ++i) {
    RecordingSink ignored;
    EXPECT_FALSE(fetch(wrong[i], ignored)) << i;
  }
}

}  // namespace
}  // namespace vectorizer::rpc
