#pragma once

#include <atomic>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>
#include <unordered_map>
#include <vector>

#include "dispatch.hpp"
#include "http_metrics.hpp"
#include "session.hpp"
#include "vectorizer/base/result.hpp"

namespace vectorizer::rest {

/// One io thread: an io_context, an acceptor on the shared port, and the connections that it serves.
class Listener {
 public:
  /// What the listeners of a server share.
  struct Shared {
    const config::ServerSettings& settings;
    Dispatcher& dispatcher;
    HttpMetrics& metrics;
    BodyMemory bodies;
    std::atomic<std::uint32_t> connections = 0;
    std::vector<std::unique_ptr<Listener>> listeners;  ///< fixed before the first one runs
  };

  explicit Listener(Shared& shared);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  /// Binds and listens; the error names address and port.
  Result<void> listen(const boost::asio::ip::tcp::endpoint& endpoint);
  std::uint16_t port() const;
  void run();
  /// Stops accepting and closes idle connections. Thread-safe, as are the two below.
  void drain();
  void close_sessions();
  /// Ends the thread; what is still open is closed.
  void join();

 private:
  using Clock = std::chrono::steady_clock;
  using Executor = boost::asio::io_context::executor_type;
  using Acceptor = boost::asio::basic_socket_acceptor<boost::asio::ip::tcp, Executor>;
  using Timer = boost::asio::basic_waitable_timer<Clock, boost::asio::wait_traits<Clock>, Executor>;

  void accept();
  void place(Socket socket);
  void adopt(Socket socket);
  void forget(Session& session);
  void sweep();
  std::vector<std::shared_ptr<Session>> sessions() const;

  Shared& shared_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<Executor> work_;
  Acceptor acceptor_;
  Timer sweep_timer_, retry_timer_;
  Session::OnClose on_close_;
  std::unordered_map<Session*, std::shared_ptr<Session>> sessions_;  // only on the io thread
  bool sweeping_ = false;                                            // only on the io thread
  std::atomic<std::uint32_t> load_ = 0;                              ///< sessions here or on their way
  std::thread thread_;
};

}  // namespace vectorizer::rest
