#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "command_line.hpp"
#include "server_call.hpp"

namespace vectorizer::client {

/// A command with verbs ("cluster status"), all of which read the same Options. Each has the options of a view besides
/// its own.
template <typename Options>
class Verbs {
 public:
  using Run = int (*)(const Options&, ServerCall&);

  Verbs(CLI::App& app, Options& options) : app_(app), options_(options) { app.require_subcommand(1); }

  CLI::App& add(const char* name, const char* help, Run function) {
    auto& verb = *app_.add_subcommand(name, help);
    options_.view.add_to(verb);
    verbs_.emplace_back(&verb, function);
    return verb;
  }

  /// A word where a verb is expected, and which is none. CLI11 would only miss the verb.
  bool unknown(const std::string& word) const {
    return !word.starts_with('-') &&
           std::none_of(verbs_.begin(), verbs_.end(), [&](const auto& verb) { return verb.first->get_name() == word; });
  }

  int run(const std::string& command) const {
    for (const auto& [verb, function] : verbs_) {
      if (!verb->parsed()) continue;
      ServerCall call(command + " " + verb->get_name(), options_.view);
      return function(options_, call);
    }
    return kExitUsage;  // not reached: one verb is required
  }

 private:
  CLI::App& app_;
  Options& options_;
  std::vector<std::pair<CLI::App*, Run>> verbs_;
};

template <typename Options>
using DefineVerbs = void (*)(Verbs<Options>&, Options&);

/// Adds the verbs to `app`; what they write into lives in the result.
template <typename Options>
std::shared_ptr<void> describe_verbs(CLI::App& app, DefineVerbs<Options> define) {
  auto options = std::make_shared<Options>();
  Verbs<Options> verbs(app, *options);
  define(verbs, *options);
  return options;
}

template <typename Options>
int run_verbs(int argc, char** argv, const char* about, DefineVerbs<Options> define) {
  CLI::App app(about, argv[0]);
  Options options;
  Verbs<Options> verbs(app, options);
  define(verbs, options);
  app.footer(kExitStatusText);
  if (argc > 1 && verbs.unknown(argv[1])) return report_usage(argv[0], "there is no " + printable_line(argv[1]));
  if (const auto status = parse_command_line(app, argc, argv)) return *status;
  return verbs.run(argv[0]);
}

}  // namespace vectorizer::client
