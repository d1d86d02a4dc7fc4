#include <fmt/format.h>

#include <cstring>
#include <utility>

#include "vector_reader.hpp"

namespace vectorizer::client {
namespace {

/// .fvecs and .bvecs: per row an int32 dimension, then that many elements.
template <typename Element>
class VecsReader : public VectorReader {
 public:
  explicit VecsReader(ByteSource source) : source_(std::move(source)) {}

  Result<void> start() {
    ASSIGN_OR_RETURN(const bool more, read_header());
    if (!more) return Error{ErrorType::kValidation, source_.name() + ": holds no vectors"};
    return {};
  }
  std::size_t dimension() const override { return dimension_; }
  double fraction() const override { return source_.fraction(); }

  Result<bool> next(Record& record) override {
    if (!header_read_) {
      ASSIGN_OR_RETURN(const bool more, read_header());
      if (!more) return false;
    }
    header_read_ = false;
    elements_.resize(dimension_);
    ASSIGN_OR_RETURN(const auto got, source_.read(std::as_writable_bytes(std::span(elements_))));
    if (got != dimension_ * sizeof(Element)) {
      return row_error(source_.name(), row_,
                       fmt::format("truncated: {} of {} bytes", got, dimension_ * sizeof(Element)));
    }
    record = Record{};
    record.vector.assign(elements_.begin(), elements_.end());
    RETURN_IF_ERROR(check_finite(source_.name(), row_, record.vector));
    ++row_;
    return true;
  }

 private:
  Result<bool> read_header() {
    std::int32_t dimension = 0;
    ASSIGN_OR_RETURN(const auto got, source_.read(std::as_writable_bytes(std::span(&dimension, 1))));
    if (got == 0) return false;
    if (got != sizeof dimension) return row_error(source_.name(), row_, fmt::format("truncated: {} of 4 bytes", got));
    if (dimension < 1 || std::cmp_greater(dimension, kMaxDimension)) {
      return row_error(source_.name(), row_, fmt::format("dimension {} is not in 1..{}", dimension, kMaxDimension));
    }
    const auto size = static_cast<std::size_t>(dimension);
    if (row_ > 0 && size != dimension_) {
      return row_error(source_.name(), row_, fmt::format("dimension {}, but row 0 has {}", size, dimension_));
    }
    dimension_ = size;
    header_read_ = true;
    return true;
  }

  ByteSource source_;
  std::size_t dimension_ = 0;
  bool header_read_ = false;
  std::uint64_t row_ = 0;
  std::vector<Element> elements_;
};

template <typename Element>
Result<std::unique_ptr<VectorReader>> open_vecs(ByteSource source) {
  auto reader = std::make_unique<VecsReader<Element>>(std::move(source));
  RETURN_IF_ERROR(reader->start());
  return std::unique_ptr<VectorReader>(std::move(reader));
}

}  // namespace

Result<std::unique_ptr<VectorReader>> open_fvecs(ByteSource source) {
  return open_vecs<float>(std::move(source));
}
Result<std::unique_ptr<VectorReader>> open_bvecs(ByteSource source) {
  return open_vecs<std::uint8_t>(std::move(source));
}

}  // namespace vectorizer::client
