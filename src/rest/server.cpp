#include "vectorizer/rest/server.hpp"

#include <spdlog/spdlog.h>

#include <atomic>
#include <iterator>
#include <utility>

#include "front_end.hpp"
#include "handlers.hpp"

namespace vectorizer::rest {
namespace {

class HttpServer final : public Server {
 public:
  explicit HttpServer(ServerOptions options) : options_(std::move(options)), services_(make_services()) {
    options_.metrics
        .gauge("vectorizer_build_info", "1, labelled with what was built",
               {{"version", options_.version}, {"commit", options_.commit}})
        .Set(1);
  }
  ~HttpServer() override {
    if (!stop()) static_cast<void>(front_end_.release());  // its threads run on
  }

  Result<void> start() {
    std::vector<Route> routes;
    for (const auto& topic :
         {service_routes, collection_routes, vector_routes, search_routes, cluster_routes, snapshot_routes}) {
      auto more = topic(services_);
      routes.insert(routes.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
    }
    ASSIGN_OR_RETURN(front_end_, FrontEnd::start(options_.server, options_.metrics, std::move(routes)));
    serving_ = front_end_.get();
    spdlog::info("HTTP on {}:{}", options_.server.host, front_end_->port());
    return {};
  }

  bool stop() override { return !front_end_ || front_end_->stop(); }
  std::uint16_t port() const override { return front_end_->port(); }

 private:
  Services make_services() {
    return Services{options_.collections,     options_.data,    options_.cluster, options_.snapshots,
                    options_.metrics,         options_.limits,  options_.server,  [this] { refresh_metrics(); },
                    options_.disk_free_bytes, options_.version, options_.commit};
  }
  void refresh_metrics() {
    if (options_.refresh_metrics) options_.refresh_metrics();
    if (auto* front_end = serving_.load()) front_end->refresh_metrics();
  }

  const ServerOptions options_;
  const Services services_;
  std::atomic<FrontEnd*> serving_ = nullptr;
  std::unique_ptr<FrontEnd> front_end_;  // last: its threads use everything above
};

}  // namespace

Result<std::unique_ptr<Server>> start_server(ServerOptions options) {
  auto server = std::make_unique<HttpServer>(std::move(options));
  RETURN_IF_ERROR(server->start());
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace vectorizer::rest
