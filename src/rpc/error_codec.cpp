#include "error_codec.hpp"

#include <string>
#include <unordered_map>

namespace vectorizer::rpc {
namespace {

/// Statuses travel as metadata, of which gRPC takes 8 KiB a call. Refusals are short; this is for what they quote.
constexpr std::size_t kMaxRefusalText = 1024;

ErrorType type_from_name(const std::string& name) {
  static const auto types = [] {
    std::unordered_map<std::string_view, ErrorType> known;
    for (int i = 0; i <= UINT8_MAX; ++i) {
      const auto type = static_cast<ErrorType>(i);
      known.emplace(error_type_name(type), type);  // values without an enumerator come out as internal_error
    }
    known["internal_error"] = ErrorType::kInternal;
    return known;
  }();
  const auto found = types.find(name);
  return found == types.end() ? ErrorType::kInternal : found->second;
}

}  // namespace

void encode_error(const Error& error, wire::Error& out) {
  out.set_type(std::string(error_type_name(error.type)));
  out.set_message(error.message);
  out.set_details(error.details);
}

Error decode_error(const wire::Error& in) {
  Error out(type_from_name(in.type()), in.message());
  out.details = in.details();
  return out;
}

grpc::Status refusal(grpc::StatusCode code, const Error& error) {
  wire::Error details;
  encode_error(error, details);
  if (details.message().size() > kMaxRefusalText) details.mutable_message()->resize(kMaxRefusalText);
  if (details.details().size() > kMaxRefusalText) details.clear_details();
  return {code, details.message(), details.SerializeAsString()};
}

std::optional<Error> refusal_of(const grpc::Status& status) {
  wire::Error details;
  if (status.error_details().empty() || !details.ParseFromString(status.error_details())) return std::nullopt;
  if (details.type().empty()) return std::nullopt;
  return decode_error(details);
}

}  // namespace vectorizer::rpc
