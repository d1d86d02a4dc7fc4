#include "vector_reader.hpp"

#include <fmt/format.h>

#include <cmath>

#include "vectorizer/model/json_parse.hpp"

namespace vectorizer::client {

Error row_error(const std::string& file, std::uint64_t row, const std::string& what) {
  return Error{ErrorType::kValidation, fmt::format("{}: row {}: {}", file, row, what)};
}

Result<void> check_finite(const std::string& file, std::uint64_t row, std::span<const float> vector) {
  for (std::size_t i = 0; i < vector.size(); ++i) {
    if (!std::isfinite(vector[i])) {
      return row_error(file, row, fmt::format("element {} is {}, not a finite float", i, vector[i]));
    }
  }
  return {};
}

Result<std::unique_ptr<VectorReader>> open_vectors(const std::filesystem::path& path) {
  auto name = path.filename();
  if (name.extension() == ".gz") name = name.stem();
  const std::string format = name.extension().string();
  const bool known = format == ".fvecs" || format == ".bvecs" || format == ".npy" || format == ".jsonl";
  if (!known) {
    return Error{
        ErrorType::kValidation,
        fmt::format("{}: unknown format; .fvecs, .bvecs, .npy and .jsonl are read, each also with .gz", path.string())};
  }
  ASSIGN_OR_RETURN(auto source, ByteSource::open(path));
  if (format == ".fvecs") return open_fvecs(std::move(source));
  if (format == ".bvecs") return open_bvecs(std::move(source));
  if (format == ".npy") return open_npy(std::move(source));
  return open_jsonl(std::move(source));
}

Result<PayloadReader> PayloadReader::open(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(auto source, ByteSource::open(path));
  return PayloadReader(std::move(source));
}

Result<bool> PayloadReader::next(std::string& payload) {
  ASSIGN_OR_RETURN(const bool more, source_.read_line(payload, kMaxLineBytes));
  if (!more) return false;
  if (const auto valid = validate_json_object(payload); !valid) {
    return row_error(source_.name(), line_, "the payload is not a JSON object: " + valid.error().message);
  }
  ++line_;
  return true;
}

}  // namespace vectorizer::client
