#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <string>
#include <thread>

#include "completion_command.hpp"
#include "daemon.hpp"
#include "descriptors.hpp"
#include "options.hpp"
#include "supervisor.hpp"
#include "vectorizer/app/version.hpp"
#include "vectorizer/base/log.hpp"
#include "vectorizer/client/commands.hpp"

namespace vectorizer::app {
namespace {

/// The signals that stop the server, blocked in every thread so that only wait_for_stop() sees them.
sigset_t block_stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);  // a client that went away is an error code, not a death
  return signals;
}

/// A second stop signal while draining ends the process at once, as a shell reports a death by signal.
void exit_on_second_signal(sigset_t signals) {
  std::thread([signals] {
    int signal = 0;
    sigwait(&signals, &signal);
    _exit(128 + signal);
  }).detach();
}

int serve(const config::Outcome& outcome) {
  const auto signals = block_stop_signals();
  if (auto log = configure_log(outcome.settings.log.level, outcome.settings.log.format); !log) {
    std::fprintf(stderr, "vectorizer: %s\n", log.error().message.c_str());
    return kExitConfiguration;
  }
  for (const auto& note : outcome.notes) spdlog::warn("configuration: {}", note);

  raise_descriptor_limit(outcome.settings.server.max_connections);
  auto daemon = Daemon::start(outcome.settings);
  if (!daemon) {
    spdlog::critical("cannot start: {}", daemon.error().message);
    switch (daemon.error().type) {
      case ErrorType::kValidation:
        return kExitConfiguration;
      case ErrorType::kConflict:
        return kExitDamaged;
      default:
        return kExitFailure;
    }
  }
  Supervisor supervisor;
  supervisor.serving(outcome.settings.server.host, (*daemon)->rest_port());
  int signal = 0;
  sigwait(&signals, &signal);
  supervisor.stopping();
  spdlog::info("signal {}: draining; a second one exits at once", signal);
  exit_on_second_signal(signals);
  if (!(*daemon)->stop()) {
    // What was acknowledged is on disk; taking the daemon down under a handler would be worse than not doing so.
    spdlog::error("requests still run after {} ms: the process ends without them",
                  outcome.settings.server.shutdown_timeout_ms);
    spdlog::shutdown();
    _exit(kExitFailure);
  }
  daemon->reset();
  spdlog::info("stopped");
  return kExitOk;
}

int run(int count, char** arguments) {
  auto command = parse_command_line(count, arguments);
  switch (command.mode) {
    case Mode::kVersion:
      std::printf("vectorizer %s (%s)\n", version().c_str(), commit().c_str());
      return kExitOk;
    case Mode::kHelp:
      std::fputs(command.text.c_str(), stdout);
      return kExitOk;
    case Mode::kUsage:
      std::fputs(command.text.c_str(), stderr);
      return kExitUsage;
    case Mode::kClient:
      return client::run_command(command.rest_count, command.rest);
    case Mode::kCompletion:
      return run_completion(command.rest_count, command.rest);
    case Mode::kServe:
    case Mode::kCheckConfig:
      break;
  }
  command.sources.environment = config::process_environment();
  const auto outcome = config::load(command.sources);
  if (command.mode == Mode::kCheckConfig) return check_config(outcome);
  if (!outcome.ok()) {
    std::fputs(problems_text(outcome).c_str(), stderr);
    return kExitConfiguration;
  }
  return serve(outcome);
}

}  // namespace
}  // namespace vectorizer::app

int main(int count, char** arguments) {
  try {
    return vectorizer::app::run(count, arguments);
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "vectorizer: %s\n", problem.what());
    return vectorizer::app::kExitFailure;
  }
}
