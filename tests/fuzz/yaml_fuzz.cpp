#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "vectorizer/config/load.hpp"

/// Any bytes are a configuration or a list of problems; what was accepted reads back as the same settings.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto outcome = vectorizer::config::load_text({reinterpret_cast<const char*>(data), size});
  for (const auto& problem : outcome.problems) {
    if (problem.to_string().empty()) std::abort();
  }
  if (!outcome.ok()) return 0;
  const auto printed = vectorizer::config::to_yaml(outcome.settings);
  const auto again = vectorizer::config::load_text(printed);
  if (!again.ok() || vectorizer::config::to_yaml(again.settings) != printed) std::abort();
  return 0;
}
