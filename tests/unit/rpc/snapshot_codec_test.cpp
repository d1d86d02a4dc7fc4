#include "snapshot_codec.hpp"

#include <gtest/gtest.h>

namespace vectorizer::rpc {
namespace {

using Kind = peer::SnapshotOrder::Kind;
using peer::SnapshotState;

TEST(SnapshotCodec, EveryFieldOfAnOrderCrosses) {
  for (const auto kind : {Kind::kList, Kind::kCreate, Kind::kVerify, Kind::kRemove}) {
    wire::SnapshotRequest message;
    encode_snapshot_order({kind, "nightly", {NodeId("a"), NodeId("b")}}, message);
    const auto order = decode_snapshot_order(message);
    ASSERT_TRUE(order);
    EXPECT_EQ(order->kind, kind);
    EXPECT_EQ(order->name, "nightly");
    EXPECT_EQ(order->nodes, (std::vector<NodeId>{NodeId("a"), NodeId("b")}));
  }
}

TEST(SnapshotCodec, EveryFieldOfASnapshotCrosses) {
  for (const auto state : {SnapshotState::kCreating, SnapshotState::kComplete, SnapshotState::kFailed,
                           SnapshotState::kVerifying, SnapshotState::kDamaged}) {
    peer::SnapshotInfo info;
    info.name = "nightly";
    info.state = state;
    info.path = "/data/snapshots/nightly";
    info.created_at_ms = 1;
    info.bytes = 2;
    info.shared_bytes = 3;
    info.files = 4;
    info.checksum = "5";
    info.metadata_epoch = 6;
    info.nodes = {NodeId("a")};
    info.points = {{ShardId(7), 8, 9}};
    info.verified_at_ms = 10;
    info.problems = {"eleven"};
    wire::SnapshotInfo message;
    encode_snapshot(info, message);
    const auto back = decode_snapshot(message);
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, info);
  }
}

TEST(SnapshotCodec, WhatAnotherVersionMightSayIsRefused) {
  EXPECT_FALSE(decode_snapshot_order(wire::SnapshotRequest()));
  EXPECT_FALSE(decode_snapshot(wire::SnapshotInfo()));
}

}  // namespace
}  // namespace vectorizer::rpc
