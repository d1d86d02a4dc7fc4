#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "byte_source.hpp"
#include "vectorizer/base/result.hpp"

namespace vectorizer::client {

inline constexpr std::size_t kMaxDimension = 65536;
/// A line holds at most one vector of the largest dimension as text, and a payload.
inline constexpr std::size_t kMaxLineBytes = std::size_t{4} << 20;

/// One row of a file of vectors.
struct Record {
  std::optional<std::string> id;  ///< as JSON, where the file has ids; else the row number is the id
  std::vector<float> vector;
  std::string payload;  ///< a JSON object; empty for none
};

/// Reads a file of vectors row by row. The first error is final: it names the file, the row (counted from 0) and what
/// is wrong. Every row has the same dimension and only finite values.
class VectorReader {
 public:
  virtual ~VectorReader() = default;
  /// That of the first row, known as soon as the file is open.
  virtual std::size_t dimension() const = 0;
  /// Reads the next row; false at the end of the file.
  virtual Result<bool> next(Record& record) = 0;
  virtual double fraction() const = 0;
};

/// Picks the format by the file's name: .fvecs, .bvecs, .npy or .jsonl, each also with .gz.
Result<std::unique_ptr<VectorReader>> open_vectors(const std::filesystem::path& path);

Result<std::unique_ptr<VectorReader>> open_fvecs(ByteSource source);
Result<std::unique_ptr<VectorReader>> open_bvecs(ByteSource source);
Result<std::unique_ptr<VectorReader>> open_npy(ByteSource source);
Result<std::unique_ptr<VectorReader>> open_jsonl(ByteSource source);

/// The error of row `row` of `file`.
Error row_error(const std::string& file, std::uint64_t row, const std::string& what);
/// Whether all elements are finite; the error names the first that is not.
Result<void> check_finite(const std::string& file, std::uint64_t row, std::span<const float> vector);

/// Payloads that lie beside the vectors: line i belongs to row i and is a JSON object.
class PayloadReader {
 public:
  static Result<PayloadReader> open(const std::filesystem::path& path);
  /// False at the end of the file.
  Result<bool> next(std::string& payload);
  const std::string& name() const { return source_.name(); }

 private:
  explicit PayloadReader(ByteSource source) : source_(std::move(source)) {}
  ByteSource source_;
  std::uint64_t line_ = 0;
};

}  // namespace vectorizer::client
