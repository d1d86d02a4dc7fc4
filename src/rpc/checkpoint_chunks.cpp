#include "checkpoint_chunks.hpp"

#include <fmt/format.h>

#include "error_codec.hpp"
#include "replication_codec.hpp"

namespace vectorizer::rpc {

Result<bool> CheckpointChunks::take(wire::CheckpointChunk& chunk) {
  const auto kind = chunk.chunk_case();
  if (kind == wire::CheckpointChunk::kError) return decode_error(chunk.error());
  if (headed_ == (kind == wire::CheckpointChunk::kHeader)) return damaged("its parts are out of order");
  switch (kind) {
    case wire::CheckpointChunk::kHeader:
      headed_ = true;
      RETURN_IF_ERROR(sink_.header(decode_header(chunk.header())));
      return false;
    case wire::CheckpointChunk::kPoints:
      if (index_.bytes() > 0) return damaged("its parts are out of order");
      RETURN_IF_ERROR(take_slice(*chunk.mutable_points(), points_, &peer::CheckpointSink::points));
      return false;
    case wire::CheckpointChunk::kIndex:
      RETURN_IF_ERROR(take_slice(*chunk.mutable_index(), index_, &peer::CheckpointSink::index));
      return false;
    case wire::CheckpointChunk::kEnd:
      if (!is_all(chunk.end())) return damaged("it is not what was sent");
      return true;
    default:
      return damaged("a part of no known kind");
  }
}

Result<void> CheckpointChunks::take_slice(wire::CheckpointSlice& slice, SliceTotal& total,
                                          Result<void> (peer::CheckpointSink::*receive)(std::string)) {
  if (!total.add(slice.data(), slice.crc())) return damaged("a part of it has another checksum");
  return (sink_.*receive)(std::move(*slice.mutable_data()));
}

bool CheckpointChunks::is_all(const wire::CheckpointEnd& end) const {
  return end.points_bytes() == points_.bytes() && end.points_crc() == points_.crc() &&
         end.index_bytes() == index_.bytes() && end.index_crc() == index_.crc();
}

Error CheckpointChunks::damaged(const char* what) const {
  return Error{ErrorType::kInternal, fmt::format("a checkpoint from node '{}' is damaged: {}", from_, what)}.with(
      "node", from_);
}

}  // namespace vectorizer::rpc
