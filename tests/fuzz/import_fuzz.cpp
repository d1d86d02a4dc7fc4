// The files that an import reads: each format, plain or gzip, and the state of an import that was interrupted. Whatever
// a file holds, its rows have one dimension and finite values, or reading ends with an error. The first byte chooses:
// '0' the first.

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string_view>

#include "fuzzing.hpp"
#include "import_state.hpp"
#include "url.hpp"
#include "vector_reader.hpp"
#include "vectorizer/model/json_parse.hpp"

namespace {

using namespace vectorizer;          // NOLINT(google-build-using-namespace)
using namespace vectorizer::client;  // NOLINT(google-build-using-namespace)
using fuzzing::require;

constexpr int kMaxRows = 10'000;  // of a gzip bomb

void check_vectors(const std::filesystem::path& file) {
  const auto reader = open_vectors(file);
  if (!reader) {
    require(!reader.error().message.empty(), "an error without a message");
    return;
  }
  const auto dimension = (*reader)->dimension();
  require(dimension >= 1 && dimension <= kMaxDimension, "an impossible dimension");
  Record record;
  for (int row = 0; row < kMaxRows; ++row) {
    const auto more = (*reader)->next(record);
    if (!more || !*more) return;
    require(record.vector.size() == dimension, "a row of another dimension");
    for (const float value : record.vector) require(std::isfinite(value), "a value that is not finite");
    require(record.payload.empty() || validate_json_object(record.payload), "a payload that is no JSON object");
    const double fraction = (*reader)->fraction();
    require(fraction >= 0 && fraction <= 1, "more than the whole was read");
  }
}

void check_payloads(const std::filesystem::path& file) {
  auto reader = PayloadReader::open(file);
  if (!reader) return;
  std::string payload;
  for (int row = 0; row < kMaxRows; ++row) {
    const auto more = reader->next(payload);
    if (!more || !*more) return;
    require(bool(validate_json_object(payload)), "a payload that is no JSON object");
  }
}

void check_state(const fuzzing::Scratch& scratch, std::string_view bytes) {
  const auto file = scratch.write("state", bytes);
  const auto state = load_state(file);
  if (!state) return;
  require(state->has_value(), "a file that is there is not found");
  require(bool(save_state(file, **state)), "a state that was read cannot be written");
  const auto again = load_state(file);
  require(again && again->has_value(), "a state that was written cannot be read");
  require((*again)->difference(**state).empty() && (*again)->rows == (*state)->rows, "another state");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzzing::Scratch scratch("import_fuzz");
  constexpr std::array<const char*, 8> kNames{"a.fvecs",  "a.bvecs",    "a.npy",    "a.jsonl",
                                              "a.npy.gz", "a.jsonl.gz", "payloads", "state"};
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t choice = static_cast<std::uint8_t>(data[0] - '0') % (kNames.size() + 1);
  if (choice == kNames.size()) {
    static_cast<void>(parse_url(bytes));
  } else if (choice == 7) {
    check_state(scratch, bytes);
  } else if (choice == 6) {
    check_payloads(scratch.write(kNames[choice], bytes));
  } else {
    check_vectors(scratch.write(kNames[choice], bytes));
  }
  return 0;
}
