#pragma once

#include <cstddef>

namespace vectorizer::client {

/// What stdout can show. A pipe or a file gets whole lines without colour.
struct Terminal {
  std::size_t width = 0;  ///< in columns; 0: no limit
  bool colour = false;
};

/// Of stdout: its width if it is a terminal (else $COLUMNS if that is set), colour if it is one, unless $NO_COLOR is
/// set or $TERM is "dumb".
Terminal stdout_terminal();

/// Whether somebody sits there to be asked: stdin and stderr are a terminal.
bool can_ask();

}  // namespace vectorizer::client
