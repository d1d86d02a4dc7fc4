#include "vectorizer/model/collection_config.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "vectorizer/model/json_parse.hpp"

namespace vectorizer {
namespace {

using nlohmann::json;

json read(std::string_view text) {
  auto parsed = parse_json(text);
  EXPECT_TRUE(parsed) << text;
  return parsed ? *parsed : json();
}

std::string field_of(const Error& error) {
  const auto details = json::parse(error.details, nullptr, false);
  return details.is_object() ? details.value("field", "") : "";
}

TEST(CollectionConfig, HasTheDefaultsOfTheContract) {
  const auto parsed = parse_collection_config(read(R"({"name":"docs","dimension":512})"));
  ASSERT_TRUE(parsed) << parsed.error().message;
  const auto& config = *parsed;
  EXPECT_EQ(config.name, "docs");
  EXPECT_EQ(config.dimension, 512U);
  EXPECT_EQ(config.metric, Metric::kCosine);
  EXPECT_EQ(config.hnsw, (HnswConfig{16, 200, 64}));
  EXPECT_EQ(config.quantization, Quantization::kNone);
  EXPECT_TRUE(config.rescore);
  EXPECT_EQ(config.storage, VectorStorage::kMemory);
  EXPECT_EQ(config.sharding, (ShardingConfig{0, 100, 0, 0, 0.2})) << "shards and copies are left to the cluster";
}

TEST(CollectionConfig, ReadsEveryFieldAndWritesItBack) {
  const json body = read(R"({"name":"A_b.c-1","dimension":65536,"metric":"euclidean",
    "hnsw":{"m":32,"ef_construction":400,"ef_search":100},"quantization":{"type":"int8","rescore":false},
    "storage":"mmap","sharding":{"shard_count":4,"virtual_nodes_per_shard":50,"replication_factor":3,"min_in_sync":2,
    "rebalance_threshold":0.5}})");
  const auto config = parse_collection_config(body);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(collection_config_to_json(*config), body);
  EXPECT_EQ(*parse_collection_config(collection_config_to_json(*config)), *config);
}

TEST(CollectionConfig, WhatIsLeftToTheClusterIsNotWritten) {
  const auto config = parse_collection_config(read(R"({"name":"a","dimension":1,"sharding":{"min_in_sync":2}})"));
  ASSERT_TRUE(config) << config.error().message;
  const auto sharding = collection_config_to_json(*config)["sharding"];
  EXPECT_FALSE(sharding.contains("shard_count"));
  EXPECT_FALSE(sharding.contains("replication_factor"));
  EXPECT_EQ(sharding["min_in_sync"], 2);
  EXPECT_EQ(*parse_collection_config(collection_config_to_json(*config)), *config);
}

TEST(CollectionConfig, TakesTheBareNameOfAQuantization) {
  const auto config = parse_collection_config(read(R"({"name":"a","dimension":1,"quantization":"int8"})"));
  ASSERT_TRUE(config);
  EXPECT_EQ(config->quantization, Quantization::kInt8);
  EXPECT_TRUE(config->rescore);
}

TEST(CollectionConfig, NamesTheFieldThatIsWrong) {
  const struct {
    std::string_view members;  ///< beside a valid name and dimension, or in their place
    std::string_view field;
  } cases[] = {
      {R"("name":"")", "name"},
      {R"("name":".hidden")", "name"},
      {R"("name":"a/b")", "name"},
      {R"("name":"ä")", "name"},
      {R"("name":7)", "name"},
      {R"("dimension":0)", "dimension"},
      {R"("dimension":65537)", "dimension"},
      {R"("dimension":-1)", "dimension"},
      {R"("dimension":512.0)", "dimension"},
      {R"("dimension":"512")", "dimension"},
      {R"("dimension":18446744073709551615)", "dimension"},
      {R"("dimension":null)", "dimension"},
      {R"("dimensions":512)", "dimensions"},
      {R"("metric":"l2")", "metric"},
      {R"("metric":null)", "metric"},
      {R"("hnsw":[])", "hnsw"},
      {R"("hnsw":{"m":1})", "hnsw.m"},
      {R"("hnsw":{"m":129})", "hnsw.m"},
      {R"("hnsw":{"ef_construction":3})", "hnsw.ef_construction"},
      {R"("hnsw":{"ef_construction":4097})", "hnsw.ef_construction"},
      {R"("hnsw":{"ef_search":0})", "hnsw.ef_search"},
      {R"("hnsw":{"ef_search":10001})", "hnsw.ef_search"},
      {R"("hnsw":{"ef":10})", "hnsw.ef"},
      {R"("quantization":"int4")", "quantization"},
      {R"("quantization":{"type":"int4"})", "quantization.type"},
      {R"("quantization":{"type":"int8","rescore":1})", "quantization.rescore"},
      {R"("quantization":{"kind":"int8"})", "quantization.kind"},
      {R"("quantization":true)", "quantization"},
      {R"("storage":"disk")", "storage"},
      {R"("sharding":4)", "sharding"},
      {R"("sharding":{"shard_count":0})", "sharding.shard_count"},
      {R"("sharding":{"shard_count":1025})", "sharding.shard_count"},
      {R"("sharding":{"shards":4})", "sharding.shards"},
      {R"("sharding":{"virtual_nodes_per_shard":10001})", "sharding.virtual_nodes_per_shard"},
      {R"("sharding":{"replication_factor":8})", "sharding.replication_factor"},
      {R"("sharding":{"replication_factor":1,"min_in_sync":2})", "sharding.min_in_sync"},
      {R"("sharding":{"rebalance_threshold":1.5})", "sharding.rebalance_threshold"},
      {R"("sharding":{"rebalance_threshold":"0.2"})", "sharding.rebalance_threshold"},
  };
  for (const auto& c : cases) {
    json body = {{"name", "docs"}, {"dimension", 4U}};
    body.update(read("{" + std::string(c.members) + "}"));
    const auto config = parse_collection_config(body);
    ASSERT_FALSE(config) << c.members;
    EXPECT_EQ(config.error().type, ErrorType::kValidation) << c.members;
    EXPECT_EQ(field_of(config.error()), c.field) << config.error().message;
  }
  EXPECT_EQ(field_of(parse_collection_config(read(R"({"dimension":4})")).error()), "name");
  EXPECT_EQ(field_of(parse_collection_config(read(R"({"name":"a"})")).error()), "dimension");
  EXPECT_EQ(field_of(parse_collection_config(read("[]")).error()), "body");
}

TEST(CollectionConfig, AnUnknownQuantizationIsToldWhatExists) {
  const auto config = parse_collection_config(read(R"({"name":"a","dimension":1,"quantization":{"type":"int4"}})"));
  ASSERT_FALSE(config);
  EXPECT_NE(config.error().message.find("none, int8"), std::string::npos) << config.error().message;
  EXPECT_NE(config.error().message.find("int4"), std::string::npos) << config.error().message;
}

TEST(CollectionConfig, NamesAreBounded) {
  EXPECT_TRUE(valid_collection_name(std::string(255, 'n')));
  EXPECT_FALSE(valid_collection_name(std::string(256, 'n')));
  EXPECT_FALSE(valid_collection_name(std::string_view("a\0b", 3)));
  EXPECT_FALSE(valid_collection_name(".."));
  EXPECT_TRUE(valid_collection_name("-a."));
}

TEST(CollectionPatch, ChangesWhatTheContractAllows) {
  const auto current = parse_collection_config(
      read(R"({"name":"docs","dimension":4,"quantization":"int8","sharding":{"replication_factor":3}})"));
  ASSERT_TRUE(current);
  const auto patched =
      apply_collection_patch(*current, read(R"({"hnsw":{"ef_search":200},"quantization":{"rescore":false},
                         "sharding":{"replication_factor":2,"min_in_sync":2,"rebalance_threshold":0}})"));
  ASSERT_TRUE(patched) << patched.error().message;
  CollectionConfig expected = *current;
  expected.hnsw.ef_search = 200;
  expected.rescore = false;
  expected.sharding.replication_factor = 2;
  expected.sharding.min_in_sync = 2;
  expected.sharding.rebalance_threshold = 0;
  EXPECT_EQ(*patched, expected);
  EXPECT_EQ(*apply_collection_patch(*current, json::object()), *current);

  const auto unquantized = apply_collection_patch(*patched, read(R"({"quantization":{"type":"none"}})"));
  ASSERT_TRUE(unquantized) << unquantized.error().message;
  expected.quantization = Quantization::kNone;
  EXPECT_EQ(*unquantized, expected);  // rescore stays as it was
}

TEST(CollectionPatch, TakesBackWhatGetShowed) {
  const auto current = parse_collection_config(read(R"({"name":"docs","dimension":4,"metric":"dot"})"));
  ASSERT_TRUE(current);
  const auto patched = apply_collection_patch(*current, collection_config_to_json(*current));
  ASSERT_TRUE(patched) << patched.error().message;
  EXPECT_EQ(*patched, *current);
}

TEST(CollectionPatch, NamesWhatCannotChange) {
  const auto current = parse_collection_config(read(R"({"name":"docs","dimension":4,"sharding":{"replication_factor":2,
                                                         "min_in_sync":2}})"));
  ASSERT_TRUE(current);
  const struct {
    std::string_view patch;
    std::string_view field;
  } cases[] = {
      {R"({"name":"other"})", "name"},
      {R"({"dimension":8})", "dimension"},
      {R"({"metric":"dot"})", "metric"},
      {R"({"storage":"mmap"})", "storage"},
      {R"({"hnsw":{"m":32}})", "hnsw.m"},
      {R"({"hnsw":{"ef_construction":100}})", "hnsw.ef_construction"},
      {R"({"quantization":"int4"})", "quantization"},
      {R"({"sharding":{"shard_count":2}})", "sharding.shard_count"},
      {R"({"sharding":{"virtual_nodes_per_shard":2}})", "sharding.virtual_nodes_per_shard"},
      {R"({"sharding":{"replication_factor":1}})", "sharding.replication_factor"},
      {R"({"sharding":{"min_in_sync":3}})", "sharding.min_in_sync"},
      {R"({"created_at":"2024"})", "created_at"},
      {R"({"hnsw":{"ef_search":0}})", "hnsw.ef_search"},
      {R"(7)", "body"},
  };
  for (const auto& c : cases) {
    const auto patched = apply_collection_patch(*current, read(c.patch));
    ASSERT_FALSE(patched) << c.patch;
    EXPECT_EQ(patched.error().type, ErrorType::kValidation);
    EXPECT_EQ(field_of(patched.error()), c.field) << patched.error().message;
  }
}

}  // namespace
}  // namespace vectorizer
