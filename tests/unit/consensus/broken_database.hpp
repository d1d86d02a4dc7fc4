#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include "raft_database.hpp"

namespace vectorizer::testing {

/// Refuses to write from some moment on.
class BrokenDatabase final : public consensus::RaftDatabase {
 public:
  BrokenDatabase(std::unique_ptr<consensus::RaftDatabase> database, std::atomic<bool>& broken)
      : database_(std::move(database)), broken_(broken) {}
  Result<void> write(const std::vector<consensus::RaftChange>& changes) override {
    if (broken_) return Error{ErrorType::kInternal, "cannot write: input/output error"};
    return database_->write(changes);
  }
  Result<std::optional<std::string>> get(const std::string& key) const override { return database_->get(key); }
  Result<void> scan(const std::string& prefix,
                    const std::function<Result<bool>(std::string_view, std::string_view)>& visit) const override {
    return database_->scan(prefix, visit);
  }

 private:
  const std::unique_ptr<consensus::RaftDatabase> database_;
  std::atomic<bool>& broken_;
};

}  // namespace vectorizer::testing
