#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vectorizer/config/settings.hpp"

namespace vectorizer::config {

/// One thing that is wrong with the configuration.
struct Problem {
  std::string source;  ///< the file as it was given, the name of a variable, or of a flag
  int line = 0;        ///< in the file, from 1; 0 where there is none
  std::string key;     ///< "server.port"; empty when the whole source is meant
  std::string message;

  /// "file:3: server.prot: unknown key; did you mean server.port?"
  std::string to_string() const;
};

/// A value from the command line, which wins over everything else.
struct Override {
  std::string key;    ///< "server.port"
  std::string value;  ///< as text, as in the environment
  std::string flag;   ///< "--port", for messages
};

/// Where settings come from, the weakest first.
struct Sources {
  /// Wins over VECTORIZER_CONFIG of the environment; without either there is no file.
  std::optional<std::filesystem::path> file;
  std::map<std::string, std::string> environment;
  std::vector<Override> flags;
};

struct Outcome {
  Settings settings;               ///< to be used only if ok()
  std::vector<Problem> problems;   ///< all of them, in the order of the sources
  std::vector<std::string> notes;  ///< for the log, once it is set up: what was ignored and why
  std::optional<std::filesystem::path> file;

  bool ok() const { return problems.empty(); }
};

/// Defaults < file < environment < flags, checked as a whole.
Outcome load(const Sources& sources);
/// As load() of one file with this text; never throws, whatever the text is.
Outcome load_text(std::string_view yaml, const std::string& name = "configuration");

/// The variables of this process that start with VECTORIZER_.
std::map<std::string, std::string> process_environment();

/// Every setting with its value; load_text(to_yaml(s)) gives s again.
std::string to_yaml(const Settings& settings);

/// The table of docs/configuration.md.
std::string keys_as_markdown();

}  // namespace vectorizer::config
