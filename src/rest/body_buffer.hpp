#pragma once

#include <algorithm>
#include <atomic>
#include <boost/asio/buffer.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/optional.hpp>
#include <boost/system/errc.hpp>
#include <cstring>
#include <memory>
#include <string_view>

#include "http.hpp"

namespace vectorizer::rest {

/// How much the bodies of all connections take together, from their first byte to their answer. Thread-safe.
class BodyMemory {
 public:
  explicit BodyMemory(std::uint64_t limit) : limit_(limit) {}

  /// False, and nothing is taken, when that would exceed the limit.
  [[nodiscard]] bool take(std::size_t bytes) {
    if (used_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= limit_) return true;
    give_back(bytes);
    return false;
  }
  void give_back(std::size_t bytes) { used_.fetch_sub(bytes, std::memory_order_relaxed); }
  std::uint64_t used() const { return used_.load(std::memory_order_relaxed); }
  std::uint64_t limit() const { return limit_; }

 private:
  const std::uint64_t limit_;
  std::atomic<std::uint64_t> used_ = 0;
};

/// The body of a connection's current request, in memory that is kept for the next one. What is kept while there is no
/// body does not count: it is bounded by the connections.
class BodyBuffer {
 public:
  explicit BodyBuffer(BodyMemory& memory) : memory_(memory) {}
  ~BodyBuffer() { clear(); }
  BodyBuffer(const BodyBuffer&) = delete;
  BodyBuffer& operator=(const BodyBuffer&) = delete;

  void clear() {
    if (capacity_ > kKept) {
      data_ = nullptr;
      capacity_ = 0;
    }
    memory_.give_back(taken_);
    taken_ = 0;
    size_ = 0;
  }
  /// What Content-Length promises; more than kTrusted is only allocated as it arrives.
  [[nodiscard]] bool expect(std::size_t bytes) { return reserve(std::min(bytes, kTrusted)); }
  /// False when all bodies together are at their limit.
  [[nodiscard]] bool append(const void* bytes, std::size_t count) {
    if (count == 0) return true;
    const std::size_t size = size_ + count;
    if (!reserve(size > capacity_ ? std::max(size, capacity_ * 2) : size)) return false;
    std::memcpy(data_.get() + size_, bytes, count);
    size_ = size;
    return true;
  }
  /// Request::kBodyPadding zero bytes follow the view; it holds until the next append() or clear().
  std::string_view padded_view() {
    static constexpr char kNothing[Request::kBodyPadding] = {};
    if (size_ == 0) return {kNothing, 0};
    std::memset(data_.get() + size_, 0, Request::kBodyPadding);
    return {data_.get(), size_};
  }

 private:
  static constexpr std::size_t kKept = 256U << 10, kTrusted = 1U << 20;

  bool reserve(std::size_t bytes) {
    if (bytes > taken_) {
      if (!memory_.take(bytes - taken_)) return false;
      taken_ = bytes;
    }
    if (bytes <= capacity_) return true;
    auto larger = std::make_unique_for_overwrite<char[]>(bytes + Request::kBodyPadding);
    if (size_ > 0) std::memcpy(larger.get(), data_.get(), size_);
    data_ = std::move(larger);
    capacity_ = bytes;
    return true;
  }

  BodyMemory& memory_;
  std::unique_ptr<char[]> data_;
  std::size_t size_ = 0, capacity_ = 0;
  std::size_t taken_ = 0;  // from memory_
};

/// Beast's Body concept over a BodyBuffer, which the session sets before parsing.
struct BufferedBody {
  using value_type = BodyBuffer*;
  /// The error of a parser whose body found no memory.
  static constexpr auto kNoMemory = boost::system::errc::not_enough_memory;

  class reader {
   public:
    template <bool is_request, class Fields>
    reader(boost::beast::http::header<is_request, Fields>&, value_type& body) : body_(body) {}

    void init(const boost::optional<std::uint64_t>& length, boost::beast::error_code& failure) {
      failure = {};
      if (length && !body_->expect(static_cast<std::size_t>(*length))) failure = make_error_code(kNoMemory);
    }
    template <class Buffers>
    std::size_t put(const Buffers& buffers, boost::beast::error_code& failure) {
      failure = {};
      std::size_t taken = 0;
      for (auto part = boost::asio::buffer_sequence_begin(buffers); part != boost::asio::buffer_sequence_end(buffers);
           ++part) {
        const boost::asio::const_buffer bytes = *part;
        if (!body_->append(bytes.data(), bytes.size())) {
          failure = make_error_code(kNoMemory);
          return taken;
        }
        taken += bytes.size();
      }
      return taken;
    }
    void finish(boost::beast::error_code& failure) { failure = {}; }

   private:
    value_type& body_;
  };
};

}  // namespace vectorizer::rest
