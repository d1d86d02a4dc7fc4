#include "generation.hpp"

#include <spdlog/spdlog.h>

#include <atomic>
#include <string>
#include <system_error>

#include "vectorizer/base/durable_file.hpp"

namespace vectorizer::shard {
namespace {

constexpr std::string_view kScratchPrefix = "scratch-";

}  // namespace

Generation::~Generation() {
  index.reset();  // unmaps first
  std::error_code ignored;
  if (!scratch.empty()) std::filesystem::remove_all(scratch, ignored);
}

index::IndexOptions index_options(const ShardOptions& options) {
  static std::atomic<std::uint64_t> next_scratch{0};
  const CollectionConfig& collection = options.collection;
  index::IndexOptions result;
  result.dimension = collection.dimension;
  result.metric = collection.metric;
  result.m = collection.hnsw.m;
  result.ef_construction = collection.hnsw.ef_construction;
  result.quantization = collection.quantization;
  result.storage = collection.storage;
  result.graph_threshold = options.graph_threshold;
  if (collection.storage == VectorStorage::kMmap) {
    result.directory = options.directory / (std::string(kScratchPrefix) + std::to_string(next_scratch++));
    std::error_code error;
    std::filesystem::create_directories(result.directory, error);
    if (error)
      spdlog::error("shard {}: cannot create {}: {}", options.id.value(), result.directory.string(), error.message());
  }
  return result;
}

void remove_stale_scratch(const std::filesystem::path& directory) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    std::error_code ignored;
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kScratchPrefix) || name.ends_with(DurableFile::kUnfinished))
      std::filesystem::remove_all(entry.path(), ignored);
  }
}

std::shared_ptr<Generation> make_generation(const ShardOptions& options) {
  const index::IndexOptions chosen = index_options(options);
  return make_generation(index::make_vector_index(chosen), 0, chosen);
}

std::shared_ptr<Generation> make_generation(std::unique_ptr<index::VectorIndex> index, std::size_t slots,
                                            const index::IndexOptions& options) {
  auto generation = std::make_shared<Generation>();
  generation->index = std::move(index);
  generation->payloads = payload::make_payload_index({});
  generation->table.append_removed(slots);
  if (options.storage == VectorStorage::kMmap) generation->scratch = options.directory;
  return generation;
}

}  // namespace vectorizer::shard
