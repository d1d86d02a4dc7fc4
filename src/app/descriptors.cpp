#include "descriptors.hpp"

#include <sys/resource.h>

#include <cerrno>
#include <system_error>

#include "vectorizer/base/log.hpp"

namespace vectorizer::app {
namespace {

/// Files of the store, indexes, and connections to other nodes.
constexpr rlim_t kOtherDescriptors = 2048;

}  // namespace

void raise_descriptor_limit(std::uint32_t connections) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  if (limit.rlim_cur < limit.rlim_max) {
    const auto before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
      spdlog::warn("the limit of open descriptors stays at {}: {}", before, std::generic_category().message(errno));
      limit.rlim_cur = before;
    }
  }
  if (limit.rlim_cur < connections + kOtherDescriptors) {
    spdlog::warn(
        "only {} descriptors may be open: too few for server.max_connections {} and the files of the store; raise "
        "the limit (ulimit -Hn, LimitNOFILE=)",
        limit.rlim_cur, connections);
  }
}

}  // namespace vectorizer::app
