#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "vectorizer/coordinator/data_plane.hpp"
#include "vectorizer/model/collection_config.hpp"
#include "vectorizer/model/point_id.hpp"
#include "vectorizer/model/request_id.hpp"

namespace vectorizer::coordinator {

/// Names one write of a client, however often and to whatever node it is sent: the node that takes it again makes the
/// same stamps. A write without a key of the client's gets a random one, for the coordinator's own attempts.
class RequestKey {
 public:
  static RequestKey of(const std::string& collection, const WriteKey& key);

  /// Nobody but the coordinator that made it sends this write again.
  bool own() const { return own_; }
  /// On this shard.
  RequestStamp stamp(const ShardId& shard) const;
  /// The part of the write that changes these points, which is remembered by itself.
  RequestKey chunk(std::span<const PointId> ids) const;

 private:
  RequestKey(RequestStamp whole, bool own) : whole_(whole), own_(own) {}
  RequestStamp whole_;
  bool own_;
};

}  // namespace vectorizer::coordinator
