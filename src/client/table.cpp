#include "table.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "text_width.hpp"

namespace vectorizer::client {
namespace {

constexpr std::size_t kGap = 2;
constexpr std::size_t kMinColumn = 4;
constexpr std::size_t kReadable = 12;

std::string padding(std::size_t have, std::size_t want) {
  return std::string(want > have ? want - have : 0, ' ');
}

void add_cell(std::string& line, const Cell& cell, std::size_t width, bool right, bool last, bool colour) {
  const auto text = shortened(cell.text, width);
  const auto pad = padding(text_width(text), width);
  if (right) line += pad;
  line += toned(text, cell.tone, colour);
  if (!right && !last) line += pad;
}

/// The bytes of the longest beginning that fits, up to its last space if there is one; at least one character.
std::size_t line_end(std::string_view text, std::size_t width) {
  std::size_t end = 0;
  std::size_t space = 0;
  while (end < text.size()) {
    auto next = end + 1;
    while (next < text.size() && (static_cast<unsigned char>(text[next]) & 0xC0) == 0x80) ++next;
    if (end > 0 && text_width(text.substr(0, next)) > width) return space > 0 && text[end] != ' ' ? space : end;
    if (text[end] == ' ') space = end;
    end = next;
  }
  return end;
}

/// Of a line whose columns have at most `most` each.
std::size_t total_of(const std::vector<std::optional<std::size_t>>& widths, std::size_t most) {
  std::size_t total = 0;
  for (const auto& width : widths) {
    if (width) total += std::min(*width, most) + (total > 0 ? kGap : 0);
  }
  return total;
}

/// Takes optional columns away until the others can be read: their first kReadable characters fit.
void leave_out(const std::vector<Column>& columns, std::size_t limit, std::vector<std::optional<std::size_t>>& widths) {
  for (auto i = columns.size(); i-- > 0 && total_of(widths, kReadable) > limit;) {
    if (columns[i].optional) widths[i].reset();
  }
}

}  // namespace

Cell::Cell(std::string cell_text, Tone cell_tone) : text(printable(cell_text)), tone(cell_tone) {}
Cell::Cell(const char* cell_text) : Cell(std::string(cell_text)) {}

std::string toned(const std::string& text, Tone tone, bool colour) {
  if (!colour || text.empty()) return text;
  switch (tone) {
    case Tone::kPlain:
      return text;
    case Tone::kGood:
      return "\x1b[32m" + text + "\x1b[0m";
    case Tone::kWarning:
      return "\x1b[33m" + text + "\x1b[0m";
    case Tone::kBad:
      return "\x1b[31m" + text + "\x1b[0m";
    case Tone::kFaint:
      return "\x1b[2m" + text + "\x1b[0m";
  }
  return text;
}

void Table::add(std::vector<Cell> row) {
  row.resize(columns_.size(), Cell(""));
  rows_.push_back(std::move(row));
}

std::vector<std::optional<std::size_t>> Table::widths(std::size_t limit) const {
  std::vector<std::optional<std::size_t>> widths;
  for (const auto& column : columns_) widths.emplace_back(text_width(column.name));
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(*widths[i], text_width(row[i].text));
  }
  if (limit == 0) return widths;
  leave_out(columns_, limit, widths);
  while (total_of(widths, SIZE_MAX) > limit) {
    const auto widest = std::max_element(widths.begin(), widths.end());  // nothing is less than any width
    if (widest->value_or(0) <= kMinColumn) break;  // a terminal of a few columns wraps what is left
    // Down to the next widest at once, or as far as is needed.
    std::size_t second = kMinColumn;
    for (auto at = widths.begin(); at != widths.end(); ++at) {
      if (*at && at != widest) second = std::max(second, std::min(**at, **widest - 1));
    }
    **widest -= std::min(total_of(widths, SIZE_MAX) - limit, **widest - second);
  }
  return widths;
}

std::string Table::text(const Terminal& terminal) const {
  const auto width = widths(terminal.width);
  std::size_t last = 0;
  for (std::size_t i = 0; i < width.size(); ++i) last = width[i] ? i : last;
  std::string out;
  const auto add_line = [&](const auto& cell_of) {
    std::string line;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (!width[i]) continue;
      if (!line.empty()) line += std::string(kGap, ' ');
      add_cell(line, cell_of(i), *width[i], columns_[i].right, i == last, terminal.colour);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  };
  add_line([&](std::size_t i) { return Cell(columns_[i].name, Tone::kFaint); });
  for (const auto& row : rows_) add_line([&](std::size_t i) -> const Cell& { return row[i]; });
  return out;
}

std::vector<std::string> wrapped(const std::string& text, std::size_t width) {
  if (width == 0) return {text};
  std::vector<std::string> lines;
  std::string_view rest = text;
  do {
    const auto end = line_end(rest, width);
    lines.emplace_back(rest.substr(0, end));
    rest.remove_prefix(end);
    while (rest.starts_with(' ')) rest.remove_prefix(1);
  } while (!rest.empty());
  return lines;
}

std::string Sheet::text(const Terminal& terminal) const {
  std::size_t names = 0;
  for (const auto& row : rows_) names = std::max(names, text_width(row.name));
  const auto indent = names + kGap;
  const auto room = terminal.width > indent + kMinColumn ? terminal.width - indent : 0;
  std::string out;
  for (const auto& row : rows_) {
    std::string before = toned(row.name, Tone::kFaint, terminal.colour) + padding(text_width(row.name), indent);
    for (const auto& line : wrapped(row.value.text, room)) {
      out += before + toned(line, row.value.tone, terminal.colour) + "\n";
      before = std::string(indent, ' ');
    }
  }
  return out;
}

}  // namespace vectorizer::client
