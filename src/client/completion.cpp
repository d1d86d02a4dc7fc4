#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string>
#include <vector>

#include "vectorizer/client/commands.hpp"

namespace vectorizer::client {
namespace {

struct Word {
  std::string text;
  std::string help;
};

struct Option {
  std::vector<std::string> names;  ///< with their dashes
  std::string help;
  bool takes_value = false;
  std::vector<std::string> choices;  ///< of the value; empty: anything
};

/// A command: what may follow it.
struct Node {
  std::string path;  ///< "vectorizer cluster add"
  std::vector<Word> commands;
  std::vector<Option> options;
};

/// CLI::IsMember writes its choices into the name of the type: "TEXT:{any,primary}".
std::vector<std::string> choices_in(const std::string& type) {
  std::vector<std::string> choices;
  const auto open = type.find('{');
  const auto close = type.find('}', open);
  if (open == std::string::npos || close == std::string::npos) return choices;
  std::string rest = type.substr(open + 1, close - open - 1) + ",";
  for (std::size_t at = 0; (at = rest.find(',')) != std::string::npos; rest.erase(0, at + 1)) {
    choices.push_back(rest.substr(0, at));
  }
  return choices;
}

/// Of an application and the groups of options in it.
std::vector<Option> options_of(const CLI::App& app) {
  std::vector<Option> options;
  for (const auto* option : app.get_options()) {
    Option found;
    for (const auto& name : option->get_snames()) found.names.push_back("-" + name);
    for (const auto& name : option->get_lnames()) found.names.push_back("--" + name);
    if (found.names.empty()) continue;  // positional
    found.help = option->get_description();
    found.takes_value = option->get_expected_max() > 0 && option->get_type_size_max() > 0;
    if (found.takes_value) found.choices = choices_in(option->get_type_name());
    options.push_back(std::move(found));
  }
  for (const auto* group : app.get_subcommands([](const CLI::App* sub) { return sub->get_name().empty(); })) {
    const auto more = options_of(*group);
    options.insert(options.end(), more.begin(), more.end());
  }
  return options;
}

void collect(const CLI::App& app, const std::string& path, std::vector<Node>& nodes) {
  Node node{path, {}, options_of(app)};
  const auto commands = app.get_subcommands([](const CLI::App* sub) { return !sub->get_name().empty(); });
  for (const auto* command : commands) node.commands.push_back({command->get_name(), command->get_description()});
  nodes.push_back(std::move(node));
  for (const auto* command : commands) collect(*command, path + " " + command->get_name(), nodes);
}

/// In single quotes of a shell. fish understands backslashes in them, the others do not.
std::string shell_quoted(std::string_view text, bool fish = false) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += fish ? "\\'" : "'\\''";
    } else if (c == '\\' && fish) {
      out += "\\\\";
    } else {
      out += c;
    }
  }
  return out + "'";
}

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

/// "'vectorizer cluster'|'vectorizer cluster status'|...", all but the program itself.
std::string known_paths(const std::vector<Node>& nodes) {
  std::string out;
  for (std::size_t i = 1; i < nodes.size(); ++i) out += (i > 1 ? "|" : "") + shell_quoted(nodes[i].path);
  return out;
}

/// Patterns of a case statement over "<path> <option>", for bash and zsh.
std::string patterns(const Node& node, const Option& option) {
  std::string out;
  for (const auto& name : option.names) out += (out.empty() ? "" : "|") + shell_quoted(node.path + " " + name);
  return out;
}

constexpr const char* kBash = R"(# Completion of vectorizer for bash: source <(vectorizer completion bash)
_vectorizer() {{
  local at path=vectorizer words='' cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}}
  if [[ $cur == '=' ]]; then cur=''; elif [[ $prev == '=' ]]; then prev=${{COMP_WORDS[COMP_CWORD-2]}}; fi
  for ((at = 1; at < COMP_CWORD; at++)); do
    case "$path ${{COMP_WORDS[at]}}" in
      {paths}) path="$path ${{COMP_WORDS[at]}}" ;;
    esac
  done
  COMPREPLY=()
  case "$path $prev" in
{values}  esac
  case "$path" in
{words}  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}}
complete -o default -F _vectorizer vectorizer
)";

std::string bash_script(const std::vector<Node>& nodes) {
  std::string values, words;
  for (const auto& node : nodes) {
    std::string commands, options;
    for (const auto& command : node.commands) commands += command.text + " ";
    for (const auto& option : node.options) {
      for (const auto& name : option.names) {
        if (name.starts_with("--")) options += name + " ";
      }
      if (!option.takes_value) continue;
      values += fmt::format("    {})", patterns(node, option));
      if (!option.choices.empty()) {
        values += fmt::format(" COMPREPLY=($(compgen -W {} -- \"$cur\"));",
                              shell_quoted(fmt::format("{}", fmt::join(option.choices, " "))));
      }
      values += " return ;;\n";
    }
    words += fmt::format("    {}) if [[ $cur == -* ]]; then words={}; else words={}; fi ;;\n", shell_quoted(node.path),
                         shell_quoted(options), shell_quoted(commands));
  }
  return fmt::format(kBash, fmt::arg("paths", known_paths(nodes)), fmt::arg("values", values),
                     fmt::arg("words", words));
}

constexpr const char* kZsh = R"(#compdef vectorizer
# Completion of vectorizer for zsh: source <(vectorizer completion zsh), or as _vectorizer in a directory of $fpath
_vectorizer() {{
  local word at=vectorizer before=${{words[CURRENT-1]}}
  local -a found
  for word in ${{words[2,CURRENT-1]}}; do
    case "$at $word" in
      {paths}) at="$at $word" ;;
    esac
  done
  case "$at $before" in
{values}  esac
  case "$at" in
{words}  esac
  if (( $#found )); then _describe vectorizer found; else _files; fi
}}
if [[ $funcstack[1] == _vectorizer ]]; then _vectorizer "$@"; else compdef _vectorizer vectorizer; fi
)";

/// "name:what it is" of _describe.
std::string zsh_entry(const std::string& name, const std::string& help) {
  std::string escaped;
  for (const char c : name) escaped += c == ':' ? "\\:" : std::string(1, c);
  return shell_quoted(escaped + ":" + first_line(help)) + " ";
}

std::string zsh_script(const std::vector<Node>& nodes) {
  std::string values, words;
  for (const auto& node : nodes) {
    std::string commands, options;
    for (const auto& command : node.commands) commands += zsh_entry(command.text, command.help);
    for (const auto& option : node.options) {
      for (const auto& name : option.names) options += zsh_entry(name, option.help);
      if (!option.takes_value) continue;
      const auto action =
          option.choices.empty() ? std::string("_files") : fmt::format("compadd -- {}", fmt::join(option.choices, " "));
      values += fmt::format("    {}) {}; return ;;\n", patterns(node, option), action);
    }
    words += fmt::format("    {}) if [[ $words[CURRENT] == -* ]]; then found=({}); else found=({}); fi ;;\n",
                         shell_quoted(node.path), options, commands);
  }
  return fmt::format(kZsh, fmt::arg("paths", known_paths(nodes)), fmt::arg("values", values), fmt::arg("words", words));
}

constexpr const char* kFish = R"(# Completion of vectorizer for fish: vectorizer completion fish | source
function __vectorizer_at
  set -l at vectorizer
  for word in (commandline -opc)[2..-1]
    switch "$at $word"
      case {paths}
        set at "$at $word"
    end
  end
  test "$at" = "$argv[1]"
end
)";

std::string fish_option(const std::string& condition, const Option& option) {
  auto line = fmt::format("complete -c vectorizer -n {}", condition);
  for (const auto& name : option.names) {
    line += name.starts_with("--") ? fmt::format(" -l {}", name.substr(2)) : fmt::format(" -s {}", name.substr(1));
  }
  if (!option.choices.empty()) {
    line += fmt::format(" -x -a {}", shell_quoted(fmt::format("{}", fmt::join(option.choices, " ")), true));
  } else if (option.takes_value) {
    line += " -r";
  }
  return line + fmt::format(" -d {}\n", shell_quoted(first_line(option.help), true));
}

std::string fish_script(const std::vector<Node>& nodes) {
  auto paths = known_paths(nodes);
  std::replace(paths.begin(), paths.end(), '|', ' ');
  auto script = fmt::format(kFish, fmt::arg("paths", paths));
  for (const auto& node : nodes) {
    const auto condition = shell_quoted("__vectorizer_at " + shell_quoted(node.path, true), true);
    for (const auto& command : node.commands) {
      script += fmt::format("complete -c vectorizer -f -n {} -a {} -d {}\n", condition,
                            shell_quoted(command.text, true), shell_quoted(first_line(command.help), true));
    }
    for (const auto& option : node.options) script += fish_option(condition, option);
  }
  return script;
}

}  // namespace

std::string completion_script(const CLI::App& program, std::string_view shell) {
  std::vector<Node> nodes;
  collect(program, "vectorizer", nodes);
  if (shell == "bash") return bash_script(nodes);
  if (shell == "zsh") return zsh_script(nodes);
  if (shell == "fish") return fish_script(nodes);
  return "";
}

}  // namespace vectorizer::client
