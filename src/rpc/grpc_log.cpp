#include "grpc_log.hpp"

#include <grpc/support/log.h>

#include <mutex>

#include "vectorizer/base/log.hpp"

namespace vectorizer::rpc {

void send_grpc_log_to_ours() {
  static std::once_flag once;
  std::call_once(
      once, [] { gpr_set_log_function([](gpr_log_func_args* line) { spdlog::debug("grpc: {}", line->message); }); });
}

}  // namespace vectorizer::rpc
