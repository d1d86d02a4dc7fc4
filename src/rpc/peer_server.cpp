#include "vectorizer/rpc/peer_server.hpp"

#include <fmt/format.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <mutex>
#include <utility>

#include "auth_service.hpp"
#include "data_service.hpp"
#include "grpc_log.hpp"
#include "membership_service.hpp"
#include "raft_service.hpp"
#include "replication_service.hpp"
#include "server_core.hpp"

namespace vectorizer::rpc {
namespace {

void set_arguments(grpc::ServerBuilder& builder, const PeerServerOptions& options) {
  // Clients ask now and then whether the connection stands (GrpcPeersOptions::keepalive); the default here would
  // end such connections as abused.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 100);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  // So that the calls of a client that has vanished do not stay for ever.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // two nodes on one port would share its calls
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 1024);
  builder.SetMaxReceiveMessageSize(static_cast<int>(options.max_message_bytes));
  builder.SetMaxSendMessageSize(-1);  // checked before, with an error that names the call
  // Only reflection is served by threads of gRPC's own that may block.
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::MIN_POLLERS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::MAX_POLLERS, 2);
  grpc::ResourceQuota quota("peer-server");
  quota.SetMaxThreads(8);
  builder.SetResourceQuota(quota);
}

class PeerServerImpl final : public PeerServer {
 public:
  PeerServerImpl(PeerServerOptions options, IdentitySource identity, PeerHandlers handlers, MetricsRegistry& metrics)
      : core_(std::move(options), std::move(identity), std::move(handlers), metrics) {}
  ~PeerServerImpl() override { PeerServerImpl::stop(std::chrono::milliseconds(0)); }

  Result<void> start() {
    send_grpc_log_to_ours();
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    const auto& options = core_.options;
    const bool bare_ipv6 = options.host.find(':') != std::string::npos && options.host.front() != '[';
    const std::string address =
        fmt::format("{}{}{}:{}", bare_ipv6 ? "[" : "", options.host, bare_ipv6 ? "]" : "", options.port);
    grpc::ServerBuilder builder;
    int chosen = 0;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &chosen);
    set_arguments(builder, options);
    const std::initializer_list<grpc::Service*> services{&auth_, &data_, &replication_, &membership_, &raft_};
    for (auto* const service : services) builder.RegisterService(service);
    server_ = builder.BuildAndStart();
    if (!server_ || chosen <= 0) {
      return Error{ErrorType::kInternal,
                   fmt::format("cannot listen on {} for other nodes: is the port in use, and the address one of this "
                               "machine?",
                               address)};
    }
    port_ = static_cast<std::uint16_t>(chosen);
    return {};
  }

  std::uint16_t port() const override { return port_; }
  void serve(PeerHandlers handlers) override {
    core_.handlers.set(std::make_shared<const PeerHandlers>(std::move(handlers)));
  }

  void stop(std::chrono::milliseconds grace) override {
    const std::lock_guard lock(stopping_);
    if (stopped_) return;
    stopped_ = true;
    core_.admission.stop();
    if (server_) {
      if (auto* const health = server_->GetHealthCheckService()) health->SetServingStatus(false);
    }
    raft_.stop();
    if (server_) server_->Shutdown(std::chrono::system_clock::now() + grace);  // waits for handlers on the lanes
    core_.stop_lanes();
    server_.reset();
  }

 private:
  ServerCore core_;
  AuthServiceImpl auth_{core_};
  DataServiceImpl data_{core_};
  ReplicationServiceImpl replication_{core_};
  MembershipServiceImpl membership_{core_};
  RaftServiceImpl raft_{core_};
  std::uint16_t port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  std::mutex stopping_;
  bool stopped_ = false;
};

}  // namespace

Result<std::unique_ptr<PeerServer>> start_peer_server(PeerServerOptions options, IdentitySource identity,
                                                      PeerHandlers handlers, MetricsRegistry& metrics) {
  auto server = std::make_unique<PeerServerImpl>(std::move(options), std::move(identity), std::move(handlers), metrics);
  RETURN_IF_ERROR(server->start());
  return std::unique_ptr<PeerServer>(std::move(server));
}

}  // namespace vectorizer::rpc
