#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "terminal.hpp"

namespace vectorizer::client {

enum class Tone : std::uint8_t { kPlain, kGood, kWarning, kBad, kFaint };

/// The text in the colour of its tone.
std::string toned(const std::string& text, Tone tone, bool colour);

/// Text of anybody; it is made printable.
struct Cell {
  Cell(std::string cell_text, Tone cell_tone = Tone::kPlain);  // NOLINT: a cell is mostly a text
  Cell(const char* cell_text);                                 // NOLINT

  std::string text;
  Tone tone = Tone::kPlain;
};

struct Column {
  std::string name;
  bool right = false;     ///< for numbers
  bool optional = false;  ///< left out where there is no room for it
};

/// Rows under a header, two spaces between the columns. On a terminal that is too narrow optional columns are left
/// out, from the right, and then the widest ones are cut, each cut marked with "…".
class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  void add(std::vector<Cell> row);
  std::string text(const Terminal& terminal) const;

 private:
  /// Of each column; nothing for one that is left out.
  std::vector<std::optional<std::size_t>> widths(std::size_t limit) const;

  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

/// "name  value" lines. Values that are too long are wrapped, at spaces where there are any.
class Sheet {
 public:
  void add(std::string name, Cell value) { rows_.push_back({std::move(name), std::move(value)}); }
  std::string text(const Terminal& terminal) const;

 private:
  struct Row {
    std::string name;
    Cell value;
  };
  std::vector<Row> rows_;
};

/// Lines of at most `width` columns; 0 for no limit. Always at least one.
std::vector<std::string> wrapped(const std::string& text, std::size_t width);

}  // namespace vectorizer::client
