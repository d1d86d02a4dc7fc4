#include "terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <string_view>

namespace vectorizer::client {
namespace {

constexpr std::size_t kMaxWidth = 10'000;

std::string_view environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::size_t width_from_environment() {
  const auto text = environment("COLUMNS");
  std::size_t width = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), width);
  return failed == std::errc() && end == text.data() + text.size() && width <= kMaxWidth ? width : 0;
}

}  // namespace

Terminal stdout_terminal() {
  Terminal terminal;
  const bool is_terminal = isatty(STDOUT_FILENO) == 1;
  winsize size{};
  if (is_terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    terminal.width = size.ws_col;
  } else {
    terminal.width = width_from_environment();
  }
  terminal.colour = is_terminal && environment("NO_COLOR").empty() && environment("TERM") != "dumb";
  return terminal;
}

bool can_ask() {
  return isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1;
}

}  // namespace vectorizer::client
