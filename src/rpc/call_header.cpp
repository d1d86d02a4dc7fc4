#include "call_header.hpp"

#include <array>
#include <charconv>

#include "big_endian.hpp"

namespace vectorizer::rpc {
namespace {

// "-bin": names are text of operators, which plain metadata may not carry.
constexpr const char* kCluster = "vectorizer-cluster-bin";
constexpr const char* kFrom = "vectorizer-from-bin";
constexpr const char* kFromRaft = "vectorizer-from-raft";
constexpr const char* kTo = "vectorizer-to-bin";
constexpr const char* kToRaft = "vectorizer-to-raft";

std::uint64_t number_of(const std::optional<std::string>& text) {
  std::uint64_t number = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), number, 16);
  return number;
}

std::string hex(std::uint64_t number) {
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16);
  return {digits.data(), end.ptr};
}

void append_counted(std::string& out, std::string_view text) {
  append_big_endian(out, text.size());
  out.append(text);
}

}  // namespace

std::optional<std::string> metadata_of(const grpc::ServerContextBase& context, const char* key) {
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find(key);
  if (found == metadata.end()) return std::nullopt;
  return std::string(found->second.data(), found->second.size());
}

void CallHeader::write(grpc::ClientContext& context) const {
  context.AddMetadata(kCluster, cluster);
  context.AddMetadata(kFrom, from);
  context.AddMetadata(kFromRaft, hex(from_raft));
  if (!to.empty()) context.AddMetadata(kTo, to);
  if (to_raft != 0) context.AddMetadata(kToRaft, hex(to_raft));
}

CallHeader CallHeader::read(const grpc::ServerContextBase& context) {
  CallHeader out;
  out.cluster = metadata_of(context, kCluster).value_or("");
  out.from = metadata_of(context, kFrom).value_or("");
  out.from_raft = number_of(metadata_of(context, kFromRaft));
  out.to = metadata_of(context, kTo).value_or("");
  out.to_raft = number_of(metadata_of(context, kToRaft));
  return out;
}

std::string CallHeader::proven_bytes(Method method) const {
  std::string out;
  append_counted(out, rules(method).name);
  append_counted(out, cluster);
  append_counted(out, from);
  append_big_endian(out, from_raft);
  append_counted(out, to);
  append_big_endian(out, to_raft);
  return out;
}

}  // namespace vectorizer::rpc
