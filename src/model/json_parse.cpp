#include "vectorizer/model/json_parse.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace vectorizer {
namespace {

using nlohmann::json;

/// Feeds the lexer and reports how far it has read: the SAX events themselves carry no position.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, const char** reached) : at_(at), reached_(reached) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    *reached_ = ++at_;
    return *this;
  }
  CountingIterator operator++(int) {
    CountingIterator before = *this;
    ++*this;
    return before;
  }
  [[maybe_unused]] friend bool operator==(const CountingIterator& a, const CountingIterator& b) {
    return a.at_ == b.at_;
  }
  [[maybe_unused]] friend bool operator!=(const CountingIterator& a, const CountingIterator& b) {
    return a.at_ != b.at_;
  }

 private:
  const char* at_;
  const char** reached_;
};

Error bad_json(std::string_view reason, std::size_t offset) {
  return Error{ErrorType::kBadJson, fmt::format("invalid JSON at byte {}: {}", offset, reason)}.with("offset", offset);
}

/// The library's text without its tag and without the client's bytes, which need not be UTF-8.
std::string reason_of(std::string_view what) {
  if (const auto tag = what.find("] "); what.starts_with('[') && tag != std::string_view::npos)
    what.remove_prefix(tag + 2);
  if (what.starts_with("parse error")) {
    if (const auto colon = what.find(": "); colon != std::string_view::npos) what.remove_prefix(colon + 2);
  }
  what = what.substr(0, what.find("; last read"));
  constexpr std::size_t kMaxReason = 160;
  std::string reason;
  for (const char c : what.substr(0, kMaxReason)) reason += c >= 0x20 && c < 0x7f ? c : '?';
  return reason;
}

/// Builds the document from SAX events and stops at the first thing that is not allowed.
class Builder {
 public:
  Builder(std::size_t max_depth, const char* begin, const char* const* reached)
      : max_depth_(max_depth), begin_(begin), reached_(reached) {}

  bool null() { return put(nullptr) != nullptr; }
  bool boolean(bool value) { return put(value) != nullptr; }
  bool number_integer(json::number_integer_t value) { return put(value) != nullptr; }
  bool number_unsigned(json::number_unsigned_t value) { return put(value) != nullptr; }
  bool number_float(json::number_float_t value, const std::string& /*text*/) { return put(value) != nullptr; }
  bool string(std::string& value) { return put(std::move(value)) != nullptr; }
  bool binary(json::binary_t& /*value*/) { return false; }

  bool start_object(std::size_t /*size*/) { return open(json::object()); }
  bool start_array(std::size_t /*size*/) { return open(json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool key(std::string& name) {
    if (open_.back()->contains(name)) {
      return fail("a name occurs twice in one object");
    }
    name_ = std::move(name);
    return true;
  }

  bool parse_error(std::size_t position, const std::string& /*token*/, const json::exception& error) {
    error_ = bad_json(reason_of(error.what()), position == 0 ? 0 : position - 1);
    return false;
  }

  Result<json> finish(bool parsed) && {
    if (error_) return *std::move(error_);
    if (!parsed) return bad_json("it cannot be read", offset());
    return std::move(root_);
  }

 private:
  json* put(json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    json& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    return &(parent[std::move(name_)] = std::move(value));
  }

  bool open(json container) {
    if (open_.size() >= max_depth_) return fail(fmt::format("it nests deeper than {} levels", max_depth_));
    // Stays valid: a container grows only while it is the innermost open one.
    open_.push_back(put(std::move(container)));
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  std::size_t offset() const {
    const auto read = static_cast<std::size_t>(*reached_ - begin_);
    return read == 0 ? 0 : read - 1;
  }

  bool fail(std::string_view reason) {
    error_ = bad_json(reason, offset());
    return false;
  }

  std::size_t max_depth_;
  const char* begin_;
  const char* const* reached_;
  json root_;
  std::vector<json*> open_;
  std::string name_;
  std::optional<Error> error_;
};

}  // namespace

Result<json> parse_json(std::string_view text, std::size_t max_depth) {
  // RFC 8259: not part of JSON text. The library would skip it, the parser of the hot paths would not.
  if (text.starts_with("\xEF\xBB\xBF")) return bad_json("a byte order mark is not part of JSON", 0);
  const char* reached = text.data();
  Builder builder(max_depth, text.data(), &reached);
  const bool parsed = json::sax_parse(CountingIterator(text.data(), &reached),
                                      CountingIterator(text.data() + text.size(), &reached), &builder);
  return std::move(builder).finish(parsed);
}

Result<void> validate_json_object(std::string_view text, std::size_t max_depth) {
  ASSIGN_OR_RETURN(const json document, parse_json(text, max_depth));
  if (!document.is_object()) return bad_json("it is not an object", 0);
  return {};
}

}  // namespace vectorizer
