#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "vector_reader.hpp"
#include "vectorizer/model/json_parse.hpp"

namespace vectorizer::client {
namespace {

constexpr std::size_t kMaxIdBytes = 256;

Result<std::string> read_id(const nlohmann::json& id) {
  if (id.is_number_unsigned()) return id.dump();
  if (id.is_string()) {
    const auto& text = id.get_ref<const std::string&>();
    if (!text.empty() && text.size() <= kMaxIdBytes) return id.dump();
  }
  return Error{ErrorType::kValidation, "the id is not a string of 1..256 bytes or an unsigned 64-bit integer"};
}

Result<std::vector<float>> read_vector(const nlohmann::json& array) {
  if (!array.is_array()) return Error{ErrorType::kValidation, "the vector is not an array"};
  if (array.empty() || array.size() > kMaxDimension) {
    return Error{ErrorType::kValidation, fmt::format("dimension {} is not in 1..{}", array.size(), kMaxDimension)};
  }
  std::vector<float> vector;
  vector.reserve(array.size());
  for (const auto& element : array) {
    if (!element.is_number()) {
      return Error{ErrorType::kValidation, fmt::format("element {} of the vector is not a number", vector.size())};
    }
    vector.push_back(static_cast<float>(element.get<double>()));
  }
  return vector;
}

Result<Record> read_record(const std::string& line) {
  ASSIGN_OR_RETURN(const auto object, parse_json(line, kMaxJsonDepth + 1));
  if (!object.is_object()) return Error{ErrorType::kValidation, "the line is not a JSON object"};
  Record record;
  for (const auto& [key, value] : object.items()) {
    if (key == "id") {
      ASSIGN_OR_RETURN(record.id, read_id(value));
    } else if (key == "vector") {
      ASSIGN_OR_RETURN(record.vector, read_vector(value));
    } else if (key == "payload") {
      if (!value.is_object() && !value.is_null()) {
        return Error{ErrorType::kValidation, "the payload is not a JSON object"};
      }
      if (value.is_object()) record.payload = value.dump();
    } else {
      return Error{ErrorType::kValidation, fmt::format("unknown key '{}'; id, vector and payload are read", key)};
    }
  }
  if (record.vector.empty()) return Error{ErrorType::kValidation, "there is no vector"};
  return record;
}

/// Each line is {"id"?, "vector": [...], "payload"?: {...}}; row i is line i + 1.
class JsonlReader : public VectorReader {
 public:
  explicit JsonlReader(ByteSource source) : source_(std::move(source)) {}

  Result<void> start() {
    ASSIGN_OR_RETURN(const bool more, read(first_));
    if (!more) return Error{ErrorType::kValidation, source_.name() + ": holds no vectors"};
    dimension_ = first_.vector.size();
    first_pending_ = true;
    return {};
  }
  std::size_t dimension() const override { return dimension_; }
  double fraction() const override { return source_.fraction(); }

  Result<bool> next(Record& record) override {
    if (first_pending_) {
      first_pending_ = false;
      record = std::move(first_);
      return true;
    }
    return read(record);
  }

 private:
  Result<bool> read(Record& record) {
    ASSIGN_OR_RETURN(const bool more, source_.read_line(line_, kMaxLineBytes));
    if (!more) return false;
    if (row_ == 0 && line_.starts_with("\xEF\xBB\xBF")) line_.erase(0, 3);  // some editors begin a file so
    auto parsed =
        line_.empty() ? Result<Record>(Error{ErrorType::kValidation, "the line is empty"}) : read_record(line_);
    if (!parsed) return row_error(source_.name(), row_, parsed.error().message);
    record = std::move(*parsed);
    if (dimension_ != 0 && record.vector.size() != dimension_) {
      return row_error(source_.name(), row_,
                       fmt::format("dimension {}, but row 0 has {}", record.vector.size(), dimension_));
    }
    RETURN_IF_ERROR(check_finite(source_.name(), row_, record.vector));
    ++row_;
    return true;
  }

  ByteSource source_;
  std::string line_;
  std::size_t dimension_ = 0;
  std::uint64_t row_ = 0;
  Record first_;
  bool first_pending_ = false;
};

}  // namespace

Result<std::unique_ptr<VectorReader>> open_jsonl(ByteSource source) {
  auto reader = std::make_unique<JsonlReader>(std::move(source));
  RETURN_IF_ERROR(reader->start());
  return std::unique_ptr<VectorReader>(std::move(reader));
}

}  // namespace vectorizer::client
