#include <fmt/format.h>
#include <hnswlib/hnswlib.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "testing/datasets.hpp"

/// Compares searches of a running server over REST with raw hnswlib (f32, one thread) on the same data in the same run.
namespace {

using Clock = std::chrono::steady_clock;
using vectorizer::testing::DataSet;

constexpr std::size_t kTop = 10;

struct Options {
  std::string data = "mnist";
  std::string collection = "bench";
  std::string port = "15002";
  std::string cache = ".";
  std::vector<std::size_t> ef = {16, 32, 64, 128, 256};
  std::vector<std::size_t> connections = {1, 8};
  double seconds = 2;
  int server_pid = 0;
};

struct Point {
  double recall = 0, qps = 0, p50_us = 0, p99_us = 0, server_cpu_us = 0;
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double percentile(std::vector<double>& sorted, double share) {
  return sorted.empty() ? 0 : sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
}

Point point_of(std::vector<double> latencies, double seconds) {
  std::sort(latencies.begin(), latencies.end());
  return {0, static_cast<double>(latencies.size()) / seconds, percentile(latencies, 0.5) * 1e6,
          percentile(latencies, 0.99) * 1e6, 0};
}

std::size_t hits(const DataSet& set, std::size_t query, const std::vector<std::uint64_t>& found) {
  const auto truth = set.truth_euclidean.row(query).first(kTop);
  return static_cast<std::size_t>(std::count_if(found.begin(), found.end(), [&](std::uint64_t id) {
    return std::find(truth.begin(), truth.end(), static_cast<std::int32_t>(id)) != truth.end();
  }));
}

double recall_of(std::size_t found, std::size_t queries) {
  return static_cast<double>(found) / static_cast<double>(queries * kTop);
}

// hnswlib -------------------------------------------------------------------------------------------------------------

std::unique_ptr<hnswlib::HierarchicalNSW<float>> open_index(const Options& options, const DataSet& set,
                                                            hnswlib::L2Space& space) {
  const auto file = std::filesystem::path(options.cache) / fmt::format("{}-{}.hnswlib", set.name, set.base.rows());
  if (std::filesystem::exists(file)) {
    return std::make_unique<hnswlib::HierarchicalNSW<float>>(&space, file.string());
  }
  auto index = std::make_unique<hnswlib::HierarchicalNSW<float>>(&space, set.base.rows(), 16, 200);
  const auto start = Clock::now();
  for (std::size_t i = 0; i < set.base.rows(); ++i) index->addPoint(set.base.row(i).data(), i);
  fmt::print(stderr, "hnswlib: built {} rows in {:.1f} s on one thread\n", set.base.rows(), seconds_since(start));
  index->saveIndex(file.string());
  return index;
}

Point measure_hnswlib(const Options& options, const DataSet& set, hnswlib::HierarchicalNSW<float>& index,
                      std::size_t ef) {
  index.setEf(ef);
  std::size_t found = 0;
  for (std::size_t i = 0; i < set.queries.rows(); ++i) {
    std::vector<std::uint64_t> ids;
    for (const auto& [distance, id] : index.searchKnnCloserFirst(set.queries.row(i).data(), kTop)) ids.push_back(id);
    found += hits(set, i, ids);
  }
  std::vector<double> latencies;
  const auto start = Clock::now();
  for (std::size_t i = 0; seconds_since(start) < options.seconds; i = (i + 1) % set.queries.rows()) {
    const auto before = Clock::now();
    index.searchKnn(set.queries.row(i).data(), kTop);
    latencies.push_back(seconds_since(before));
  }
  auto point = point_of(std::move(latencies), seconds_since(start));
  point.recall = recall_of(found, set.queries.rows());
  return point;
}

// The server ----------------------------------------------------------------------------------------------------------

/// A blocking keep-alive connection that does as little as it can.
class Connection {
 public:
  explicit Connection(const std::string& port) {
    addrinfo hints = {};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (getaddrinfo("127.0.0.1", port.c_str(), &hints, &found) != 0) throw std::runtime_error("bad port " + port);
    socket_ = ::socket(found->ai_family, found->ai_socktype, 0);
    const int failed = ::connect(socket_, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    if (failed != 0) throw std::runtime_error("cannot connect to port " + port);
    const int on = 1;
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  ~Connection() { ::close(socket_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// The body of a 200 reply with a Content-Length.
  std::string_view exchange(const std::string& request) {
    for (std::size_t sent = 0; sent < request.size();) {
      const auto wrote = ::send(socket_, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
      if (wrote <= 0) throw std::runtime_error("the server closed the connection");
      sent += static_cast<std::size_t>(wrote);
    }
    in_.clear();
    std::size_t body = std::string::npos, length = 0;
    while (body == std::string::npos || in_.size() < body + length) {
      char part[16384];
      const auto got = ::recv(socket_, part, sizeof part, 0);
      if (got <= 0) throw std::runtime_error("the server closed the connection");
      in_.append(part, static_cast<std::size_t>(got));
      if (body != std::string::npos) continue;
      const auto end = in_.find("\r\n\r\n");
      if (end == std::string::npos) continue;
      const auto field = in_.find("Content-Length: ");
      if (!in_.starts_with("HTTP/1.1 200") || field > end) throw std::runtime_error("reply: " + in_.substr(0, 300));
      length = std::stoull(in_.substr(field + 16, 20));
      body = end + 4;
    }
    return std::string_view(in_).substr(body, length);
  }

 private:
  int socket_ = -1;
  std::string in_;
};

std::vector<std::string> build_requests(const Options& options, const DataSet& set, std::size_t ef) {
  std::vector<std::string> requests;
  for (std::size_t i = 0; i < set.queries.rows(); ++i) {
    const auto row = set.queries.row(i);
    const nlohmann::json body = {{"vector", std::vector<float>(row.begin(), row.end())},
                                 {"limit", kTop},
                                 {"with_payload", false},
                                 {"params", {{"ef", ef}}}};
    const auto text = body.dump();
    requests.push_back(
        fmt::format("POST /collections/{}/search HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                    "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
                    options.collection, text.size(), text));
  }
  return requests;
}

/// User and system time of a process in seconds; 0 without a process.
double cpu_seconds(int pid) {
  if (pid == 0) return 0;
  std::ifstream input(fmt::format("/proc/{}/stat", pid));
  const std::string text((std::istreambuf_iterator<char>(input)), std::istreambuf_iterator<char>());
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double server_recall(const Options& options, const DataSet& set, const std::vector<std::string>& requests) {
  Connection connection(options.port);
  std::size_t found = 0;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    std::vector<std::uint64_t> ids;
    const auto reply = nlohmann::json::parse(connection.exchange(requests[i]));
    for (const auto& hit : reply.at("results")) {
      ids.push_back(hit.at("id").get<std::uint64_t>());
    }
    found += hits(set, i, ids);
  }
  return recall_of(found, requests.size());
}

Point measure_server(const Options& options, const std::vector<std::string>& requests, std::size_t connections) {
  std::vector<std::vector<double>> latencies(connections);
  std::vector<std::thread> threads;
  std::atomic<bool> failed = false;
  const double cpu_before = cpu_seconds(options.server_pid);
  const auto start = Clock::now();
  for (std::size_t c = 0; c < connections; ++c) {
    threads.emplace_back([&, c] {
      try {
        Connection connection(options.port);
        for (std::size_t i = c * 101; seconds_since(start) < options.seconds; ++i) {
          const auto before = Clock::now();
          connection.exchange(requests[i % requests.size()]);
          latencies[c].push_back(seconds_since(before));
        }
      } catch (const std::exception& error) {
        fmt::print(stderr, "search_bench: {}\n", error.what());
        failed = true;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  if (failed) throw std::runtime_error("a connection failed; the point is void");
  const double seconds = seconds_since(start);
  const double cpu = cpu_seconds(options.server_pid) - cpu_before;
  std::vector<double> all;
  for (const auto& part : latencies) all.insert(all.end(), part.begin(), part.end());
  const auto queries = static_cast<double>(all.size());
  auto point = point_of(std::move(all), seconds);
  point.server_cpu_us = cpu * 1e6 / queries;
  return point;
}

// The table -----------------------------------------------------------------------------------------------------------

void print_row(std::size_t ef, const std::string& what, const Point& point, const Point& reference) {
  fmt::print("| {} | {} | {:.4f} | {:.0f} | {:.0f} | {:.0f} | {:.0f} | {:.2f} |\n", ef, what, point.recall, point.qps,
             point.p50_us, point.p99_us, point.server_cpu_us, point.qps / reference.qps);
}

void run(const Options& options) {
  const auto set = vectorizer::testing::load_data_set(options.data);
  hnswlib::L2Space space(set.base.dimension);
  const auto index = open_index(options, set, space);
  fmt::print("{}{}: {} x {}, {} queries, recall@{}, euclidean\n\n", set.name, set.generated ? " (generated)" : "",
             set.base.rows(), set.base.dimension, set.queries.rows(), kTop);
  fmt::print("| ef | what | recall | QPS | p50 us | p99 us | server CPU us/query | QPS / hnswlib |\n");
  fmt::print("|---|---|---|---|---|---|---|---|\n");
  for (const auto ef : options.ef) {
    const auto reference = measure_hnswlib(options, set, *index, ef);
    print_row(ef, "hnswlib f32, 1 thread", reference, reference);
    const auto requests = build_requests(options, set, ef);
    const double recall = server_recall(options, set, requests);
    for (const auto connections : options.connections) {
      auto point = measure_server(options, requests, connections);
      point.recall = recall;
      print_row(ef, fmt::format("server, {} connections", connections), point, reference);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Searches a running server and hnswlib side by side; prints a markdown table.");
  app.add_option("--data", options.data, "mnist or fashion3k")->check(CLI::IsMember({"mnist", "fashion3k"}));
  app.add_option("--collection", options.collection, "Holds the base vectors under ids 0, 1, ..., euclidean");
  app.add_option("--port", options.port);
  app.add_option("--cache", options.cache, "Where the index of hnswlib is kept")->check(CLI::ExistingDirectory);
  app.add_option("--ef", options.ef)->delimiter(',');
  app.add_option("--connections", options.connections)->delimiter(',');
  app.add_option("--seconds", options.seconds, "Per point; CPU ticks are coarse")->check(CLI::Range(2.0, 600.0));
  app.add_option("--server-pid", options.server_pid, "Whose CPU time is reported");
  CLI11_PARSE(app, argc, argv);
  try {
    run(options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "search_bench: {}\n", error.what());
    return 1;
  }
}
