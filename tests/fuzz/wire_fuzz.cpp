// What another node may send: any bytes are a message or are not; a message decodes or is refused; and what was decoded
// encodes to a message that decodes to the same. The first byte chooses the message: '0' the first.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "checkpoint_chunks.hpp"
#include "data_codec.hpp"
#include "error_codec.hpp"
#include "filter_codec.hpp"
#include "fuzzing.hpp"
#include "membership_codec.hpp"
#include "replication_codec.hpp"
#include "secret.hpp"
#include "snapshot_codec.hpp"

namespace {

using namespace vectorizer;       // NOLINT(google-build-using-namespace)
using namespace vectorizer::rpc;  // NOLINT(google-build-using-namespace)
using fuzzing::require;

/// @param decode from a message that it may change; a Result or a value.
/// @param encode of what was decoded into an empty message.
template <typename Message, typename Decode, typename Encode>
void check(std::string_view bytes, const Decode& decode, const Encode& encode) {
  Message given;
  if (!given.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  Message first, second;
  if (!encode(decode(given), first)) return;
  const std::string expected = first.SerializeAsString();
  require(encode(decode(first), second), "a message that was written is refused");
  require(second.SerializeAsString() == expected, "a message comes back as another");
}

/// An `encode` for a `decode` that may fail: false then. Its error may be the one of the other node, in its words.
template <typename Encode>
auto unless_refused(const Encode& encode) {
  return [encode](auto&& decoded, auto& out) {
    if (!decoded) return false;
    encode(std::move(*decoded), out);
    return true;
  };
}
template <typename Encode>
auto always(const Encode& encode) {
  return [encode](auto&& decoded, auto& out) {
    encode(std::move(decoded), out);
    return true;
  };
}

void check_filter(std::string_view bytes) {
  check<wire::Filter>(bytes, decode_filter, unless_refused([](const Filter& filter, wire::Filter& out) {
                        static_cast<void>(filter_matches(filter, PointId(7), R"({"a":[{"b":1},{"b":"x"}],"c":null})"));
                        encode_filter(filter, out);
                      }));
}

void check_search(std::string_view bytes) {
  check<wire::SearchRequest>(bytes, decode_query, unless_refused(encode_query));
  check<wire::ReadFrom>(bytes, decode_from, always([](const ReadFrom& from, wire::ReadFrom& out) {
                          encode_from(from, out);
                          if (out.has_remaining_us()) out.set_remaining_us(1);  // time has passed
                        }));
}

void check_membership(unsigned choice, std::string_view bytes) {
  switch (choice) {
    case 0:
      check<wire::HelloMessage>(bytes, decode_hello, unless_refused(encode_hello));
      break;
    case 1:
      check<wire::ClaimRequest>(bytes, decode_claim, unless_refused(encode_claim));
      break;
    case 2:
      check<wire::Beat>(bytes, decode_beat, always(encode_beat));
      break;
    case 3:
      check<wire::BeatReply>(bytes, decode_beat_reply, always(encode_beat_reply));
      break;
    default:
      check<wire::RememberedReply>(
          bytes, [](const wire::RememberedReply& in) { return decode_remembered(in, 7); }, always(encode_remembered));
  }
}

void check_replication(unsigned choice, std::string_view bytes) {
  switch (choice) {
    case 0:
      check<wire::ReplicateRequest>(bytes, decode_replicate, always([](peer::ReplicateRequest request, auto& out) {
                                      encode_replicate(std::move(request), out);
                                    }));
      break;
    case 1:
      check<wire::ReplicateReply>(bytes, decode_replicate_reply, unless_refused(encode_replicate_reply));
      break;
    default:
      check<wire::CheckpointHeader>(bytes, decode_header, always(encode_header));
  }
}

void check_data(unsigned choice, std::string_view bytes) {
  switch (choice) {
    case 0:
      check<wire::WriteRequest>(bytes, decode_write, unless_refused([](const ReceivedWrite& received, auto& out) {
                                  encode_write(received.writes, out);
                                }));
      break;
    case 1:
      check<wire::ScrollRequest>(bytes, decode_scroll, unless_refused(encode_scroll));
      break;
    case 2:
      check<wire::ShardWriteReply>(bytes, decode_write_reply, always(encode_write_reply));
      break;
    case 3:
      check<wire::ShardHits>(bytes, decode_hits, always(encode_hits));
      break;
    case 4:
      check<wire::Point>(bytes, decode_point, always(encode_point));
      break;
    case 5:
      check<wire::ShardReport>(bytes, decode_report, always(encode_report));
      break;
    default:
      check<wire::Error>(bytes, decode_error, always(encode_error));
  }
}

void check_reads(unsigned choice, std::string_view bytes) {
  constexpr std::size_t kWanted = 8;
  switch (choice) {
    case 0:
      check<wire::ShardPoints>(
          bytes, [](wire::ShardPoints& in) { return decode_points(in, kWanted); },
          always([](const auto& points, wire::ShardPoints& out) {
            require(!points.answer || points.answer->size() == kWanted, "another number of points");
            encode_points(points, out);
          }));
      break;
    case 1:
      check<wire::ShardPage>(bytes, decode_page, always(encode_page));
      break;
    default:
      check<wire::ShardCount>(bytes, decode_count, always(encode_count));
  }
}

void check_snapshots(unsigned choice, std::string_view bytes) {
  if (choice == 0) {
    check<wire::SnapshotRequest>(bytes, decode_snapshot_order, unless_refused(encode_snapshot_order));
  } else {
    check<wire::SnapshotInfo>(bytes, decode_snapshot, unless_refused(encode_snapshot));
  }
}

/// Holds the receiver to the order of a checkpoint, whatever it is sent.
class OrderedSink final : public peer::CheckpointSink {
 public:
  Result<void> header(const peer::CheckpointHeader&) override {
    require(!headed_, "a second header");
    headed_ = true;
    return {};
  }
  Result<void> points(std::string bytes) override {
    require(headed_ && index_.bytes() == 0, "points out of order");
    points_.add(bytes);
    return {};
  }
  Result<void> index(std::string bytes) override {
    require(headed_, "an index without a header");
    index_.add(bytes);
    return {};
  }
  void check_end(const wire::CheckpointEnd& end) const {
    require(headed_, "an end without a header");
    require(end.points_bytes() == points_.bytes() && end.points_crc() == points_.crc(), "other points were sent");
    require(end.index_bytes() == index_.bytes() && end.index_crc() == index_.crc(), "another index was sent");
  }
  /// What a sender would say after what has come.
  wire::CheckpointEnd right_end() const {
    wire::CheckpointEnd end;
    end.set_points_bytes(points_.bytes());
    end.set_points_crc(points_.crc());
    end.set_index_bytes(index_.bytes());
    end.set_index_crc(index_.crc());
    return end;
  }

 private:
  bool headed_ = false;
  SliceTotal points_, index_;
};

/// No fuzzer guesses a CRC: one of 0, and an end that says nothing, become right.
void put_right(wire::CheckpointChunk& chunk, const OrderedSink& sink) {
  if (chunk.has_points() && chunk.points().crc() == 0) chunk.mutable_points()->set_crc(crc32c(chunk.points().data()));
  if (chunk.has_index() && chunk.index().crc() == 0) chunk.mutable_index()->set_crc(crc32c(chunk.index().data()));
  if (chunk.has_end() && chunk.end().ByteSizeLong() == 0) *chunk.mutable_end() = sink.right_end();
}

/// A checkpoint of small chunks, each after a byte with its length.
void check_checkpoint(std::string_view bytes) {
  OrderedSink sink;
  CheckpointChunks chunks("a node", sink);
  while (!bytes.empty()) {
    const auto length = std::min<std::size_t>(static_cast<std::uint8_t>(bytes[0]), bytes.size() - 1);
    wire::CheckpointChunk chunk;
    if (!chunk.ParseFromArray(bytes.data() + 1, static_cast<int>(length))) return;
    bytes.remove_prefix(1 + length);
    put_right(chunk, sink);
    const auto end = chunk.end();
    const bool told = chunk.has_error();  // by the other node, in its words
    const auto complete = chunks.take(chunk);
    if (!complete) {
      require(told || !complete.error().message.empty(), "an error without a message");
      return;
    }
    if (*complete) return sink.check_end(end);
  }
}

/// Without the secret there is no proof.
void check_proof(std::string_view bytes) {
  static SessionTable sessions("a secret");
  static const auto opened = sessions.open(std::string(kNonceBytes, 'n'));
  require(bool(opened), "no session can be opened");
  require(sessions.check(std::string(bytes), "a call") != SessionTable::Verdict::kProven, "a proof by chance");
  static_cast<void>(sessions.open(bytes));
  const grpc::Status status(grpc::StatusCode::UNAUTHENTICATED, "", std::string(bytes));
  static_cast<void>(refusal_of(status));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const unsigned choice = static_cast<std::uint8_t>(data[0] - '0') % 24;
  if (choice < 7) {
    check_data(choice, bytes);
  } else if (choice < 12) {
    check_membership(choice - 7, bytes);
  } else if (choice < 15) {
    check_replication(choice - 12, bytes);
  } else if (choice == 15) {
    check_filter(bytes);
  } else if (choice == 16) {
    check_search(bytes);
  } else if (choice == 17) {
    check_proof(bytes);
  } else if (choice < 21) {
    check_reads(choice - 18, bytes);
  } else if (choice < 23) {
    check_snapshots(choice - 21, bytes);
  } else {
    check_checkpoint(bytes);
  }
  return 0;
}
