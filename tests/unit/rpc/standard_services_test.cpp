#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include "unit/rpc/fakes.hpp"

namespace vectorizer::rpc {
namespace {

using testing::Pair;

/// One message there and one back, by method name, without code generated for it: what grpcurl does.
class RawCall {
 public:
  RawCall(const std::string& endpoint, const std::string& method)
      : stub_(grpc::CreateChannel(endpoint, grpc::InsecureChannelCredentials())) {
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    stream_ = stub_.PrepareCall(&context_, method, &queue_);
    stream_->StartCall(nullptr);
    wait();
  }
  std::string exchange(const std::string& request) {
    const grpc::Slice slice(request);
    stream_->WriteLast(grpc::ByteBuffer(&slice, 1), grpc::WriteOptions(), nullptr);
    wait();
    grpc::ByteBuffer reply;
    stream_->Read(&reply, nullptr);
    wait();
    stream_->Finish(&status, nullptr);
    wait();
    grpc::Slice joined;
    if (!reply.Valid() || !reply.DumpToSingleSlice(&joined).ok()) return {};
    return {reinterpret_cast<const char*>(joined.begin()), joined.size()};
  }
  ~RawCall() {
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }
  grpc::Status status;

 private:
  void wait() {
    void* tag = nullptr;
    bool ok = false;
    queue_.Next(&tag, &ok);
  }
  grpc::CompletionQueue queue_;
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
};

class StandardServices : public ::testing::Test, protected Pair {
 protected:
  StandardServices() : Pair("s3cret", "s3cret") { start_server(); }  // open to everyone all the same
};

TEST_F(StandardServices, HealthSaysServing) {
  RawCall call(endpoint(), "/grpc.health.v1.Health/Check");
  EXPECT_EQ(call.exchange(""), std::string("\x08\x01"));  // status = SERVING
  EXPECT_TRUE(call.status.ok()) << call.status.error_message();
}

TEST_F(StandardServices, ReflectionListsAndDescribesTheServices) {
  RawCall list(endpoint(), "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo");
  const std::string services = list.exchange(std::string("\x3a\x00", 2));  // list_services
  for (const char* const name :
       {"vectorizer.rpc.v1.DataService", "vectorizer.rpc.v1.ReplicationService", "vectorizer.rpc.v1.MembershipService",
        "vectorizer.rpc.v1.RaftService", "vectorizer.rpc.v1.AuthService", "grpc.health.v1.Health"}) {
    EXPECT_NE(services.find(name), std::string::npos) << name;
  }
  RawCall describe(endpoint(), "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo");
  const std::string name = "vectorizer.rpc.v1.DataService";
  const std::string file = describe.exchange("\x22" + std::string(1, static_cast<char>(name.size())) + name);
  EXPECT_NE(file.find("ShardWriteReply"), std::string::npos);
}

TEST_F(StandardServices, ACallWithoutAProofIsUnauthenticated) {
  RawCall call(endpoint(), "/vectorizer.rpc.v1.DataService/Report");
  call.exchange("");
  EXPECT_EQ(call.status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_NE(call.status.error_message().find("cluster.secret"), std::string::npos) << call.status.error_message();
}

}  // namespace
}  // namespace vectorizer::rpc
