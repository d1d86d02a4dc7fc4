#include <chrono>
#include <cstdint>

#include "vectorizer/model/filter.hpp"

namespace vectorizer {
namespace {

/// Reads fields of fixed width off the front of a text; every read fails once one has.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  /// Exactly `digits` decimal digits, at most `max`.
  int number(std::size_t digits, int max) {
    int value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      if (i >= rest_.size() || !is_digit(rest_[i])) return fail();
      value = value * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(digits);
    return value <= max ? value : fail();
  }

  /// One of the characters in `allowed`, which is returned.
  char one_of(std::string_view allowed) {
    if (rest_.empty() || allowed.find(rest_.front()) == std::string_view::npos) {
      fail();
      return 0;
    }
    const char found = rest_.front();
    rest_.remove_prefix(1);
    return found;
  }

  /// An optional fraction of a second in whole microseconds; finer digits are read and dropped.
  int microseconds() {
    if (!rest_.starts_with('.')) return 0;
    rest_.remove_prefix(1);
    if (rest_.empty() || !is_digit(rest_.front())) return fail();
    int value = 0;
    int unit = 100000;
    while (!rest_.empty() && is_digit(rest_.front())) {
      value += (rest_.front() - '0') * unit;
      unit /= 10;
      rest_.remove_prefix(1);
    }
    return value;
  }

  bool failed() const { return failed_; }
  bool at_end() const { return rest_.empty(); }

 private:
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }
  int fail() {
    failed_ = true;
    return 0;
  }

  std::string_view rest_;
  bool failed_ = false;
};

/// `Z` or `+hh:mm`, in minutes east of UTC.
int read_offset(Reader& reader) {
  const char sign = reader.one_of("Zz+-");
  if (sign != '+' && sign != '-') return 0;
  const int hours = reader.number(2, 23);
  reader.one_of(":");
  const int minutes = hours * 60 + reader.number(2, 59);
  return sign == '-' ? -minutes : minutes;
}

}  // namespace

std::optional<double> parse_rfc3339(std::string_view text) {
  namespace chrono = std::chrono;
  Reader reader(text);
  const int year = reader.number(4, 9999);
  reader.one_of("-");
  const int month = reader.number(2, 12);
  reader.one_of("-");
  const int day = reader.number(2, 31);
  reader.one_of("Tt ");
  const int hour = reader.number(2, 23);
  reader.one_of(":");
  const int minute = reader.number(2, 59);
  reader.one_of(":");
  const int second = reader.number(2, 60);
  const int micros = reader.microseconds();
  const int offset = read_offset(reader);
  if (reader.failed() || !reader.at_end()) return std::nullopt;

  const chrono::year_month_day date{chrono::year(year), chrono::month(static_cast<unsigned>(month)),
                                    chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  const auto minute_utc = chrono::sys_days(date) + chrono::hours(hour) + chrono::minutes(minute - offset);
  if (second == 60) {
    // Leap seconds are only ever inserted before midnight UTC at the end of a month; it counts as the second after.
    const chrono::year_month_day next{chrono::floor<chrono::days>(minute_utc + chrono::minutes(1))};
    const auto midnight = chrono::sys_days(next);
    if (minute_utc + chrono::minutes(1) != midnight || next.day() != chrono::day(1)) return std::nullopt;
  }
  const auto instant = chrono::duration_cast<chrono::microseconds>(minute_utc.time_since_epoch()) +
                       chrono::seconds(second) + chrono::microseconds(micros);
  return static_cast<double>(instant.count());
}

}  // namespace vectorizer
