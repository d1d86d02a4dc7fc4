#include <fmt/format.h>

#include <cstring>
#include <string_view>
#include <utility>

#include "npy_header.hpp"
#include "vector_reader.hpp"

namespace vectorizer::client {
namespace {

constexpr std::size_t kMaxHeaderBytes = 1 << 16;
constexpr std::string_view kMagic = "\x93NUMPY";

std::size_t element_bytes(NpyHeader::Element element) {
  switch (element) {
    case NpyHeader::Element::kFloat32:
      return sizeof(float);
    case NpyHeader::Element::kFloat64:
      return sizeof(double);
    case NpyHeader::Element::kUint8:
      break;
  }
  return 1;
}

class NpyReader : public VectorReader {
 public:
  explicit NpyReader(ByteSource source) : source_(std::move(source)) {}

  Result<void> start();
  std::size_t dimension() const override { return header_.dimension; }
  double fraction() const override { return source_.fraction(); }
  Result<bool> next(Record& record) override;

 private:
  Error file_error(const std::string& what) const {
    return Error{ErrorType::kValidation, source_.name() + ": " + what};
  }
  template <typename Element>
  void convert(std::vector<float>& out) const {
    out.resize(header_.dimension);
    for (std::size_t i = 0; i < out.size(); ++i) {
      Element value;
      std::memcpy(&value, bytes_.data() + i * sizeof value, sizeof value);
      out[i] = static_cast<float>(value);  // a double beyond float becomes infinite, which check_finite refuses
    }
  }

  ByteSource source_;
  NpyHeader header_;
  std::uint64_t row_ = 0;
  std::vector<std::byte> bytes_;
};

Result<void> NpyReader::start() {
  unsigned char fixed[8];
  ASSIGN_OR_RETURN(const auto got, source_.read(std::as_writable_bytes(std::span(fixed))));
  if (got != sizeof fixed || std::memcmp(fixed, kMagic.data(), kMagic.size()) != 0) {
    return file_error("not a .npy file: it does not begin with \\x93NUMPY");
  }
  if (fixed[6] < 1 || fixed[6] > 3) return file_error(fmt::format("npy version {} is not read, only 1 to 3", fixed[6]));
  unsigned char length_bytes[4] = {};
  const std::size_t width = fixed[6] == 1 ? 2 : 4;
  ASSIGN_OR_RETURN(const auto length_got, source_.read(std::as_writable_bytes(std::span(length_bytes, width))));
  if (length_got != width) return file_error("truncated in the header");
  std::uint32_t length = 0;
  std::memcpy(&length, length_bytes, sizeof length);
  if (length > kMaxHeaderBytes) return file_error(fmt::format("a header of {} bytes is too long", length));
  std::string text(length, '\0');
  ASSIGN_OR_RETURN(const auto text_got, source_.read(std::as_writable_bytes(std::span(text))));
  if (text_got != text.size()) return file_error("truncated in the header");
  auto header = parse_npy_header(text);
  if (!header) return file_error(header.error().message);
  header_ = *header;
  return {};
}

Result<bool> NpyReader::next(Record& record) {
  if (row_ == header_.rows) {
    std::byte extra;
    ASSIGN_OR_RETURN(const auto got, source_.read(std::span(&extra, 1)));
    if (got != 0) return file_error(fmt::format("goes on after the {} rows that its shape names", header_.rows));
    return false;
  }
  bytes_.resize(header_.dimension * element_bytes(header_.element));
  ASSIGN_OR_RETURN(const auto got, source_.read(bytes_));
  if (got != bytes_.size()) {
    return row_error(
        source_.name(), row_,
        fmt::format("truncated: {} of {} bytes (the shape names {} rows)", got, bytes_.size(), header_.rows));
  }
  record = Record{};
  switch (header_.element) {
    case NpyHeader::Element::kFloat32:
      convert<float>(record.vector);
      break;
    case NpyHeader::Element::kFloat64:
      convert<double>(record.vector);
      break;
    case NpyHeader::Element::kUint8:
      convert<std::uint8_t>(record.vector);
      break;
  }
  RETURN_IF_ERROR(check_finite(source_.name(), row_, record.vector));
  ++row_;
  return true;
}

}  // namespace

Result<std::unique_ptr<VectorReader>> open_npy(ByteSource source) {
  auto reader = std::make_unique<NpyReader>(std::move(source));
  RETURN_IF_ERROR(reader->start());
  return std::unique_ptr<VectorReader>(std::move(reader));
}

}  // namespace vectorizer::client
