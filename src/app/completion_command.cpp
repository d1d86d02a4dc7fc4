#include "completion_command.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "options.hpp"
#include "vectorizer/client/commands.hpp"

namespace vectorizer::app {
namespace {

void define(CLI::App& app, std::string& shell) {
  app.add_option("shell", shell, "bash, zsh or fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
  app.footer("For bash: source <(vectorizer completion bash)");
}

}  // namespace

int run_completion(int count, char** arguments) {
  std::string shell;
  CLI::App app("Prints a script that completes commands and options.", "vectorizer completion");
  define(app, shell);
  try {
    app.parse(count, arguments);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "vectorizer completion: %s\nTry 'vectorizer completion --help'.\n", error.what());
    return kExitUsage;
  }
  const auto model = command_model();
  const auto described = client::describe_commands(*model);
  std::fputs(client::completion_script(*model, shell).c_str(), stdout);
  return kExitOk;
}

}  // namespace vectorizer::app
