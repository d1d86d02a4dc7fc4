#pragma once

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/optional.hpp>
#include <cstring>
#include <memory>
#include <string_view>

#include "http.hpp"

namespace vectorizer::rest {

/// The body of a connection's current request, in memory that is kept for the next one.
class BodyBuffer {
 public:
  void clear() {
    if (capacity_ > kKept) *this = BodyBuffer();
    size_ = 0;
  }
  /// What Content-Length promises; more than kTrusted is only allocated as it arrives.
  void expect(std::size_t bytes) { reserve(std::min(bytes, kTrusted)); }
  void append(const void* bytes, std::size_t count) {
    if (count == 0) return;
    if (size_ + count > capacity_) reserve(std::max(size_ + count, capacity_ * 2));
    std::memcpy(data_.get() + size_, bytes, count);
    size_ += count;
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

  void reserve(std::size_t bytes) {
    if (bytes <= capacity_) return;
    auto larger = std::make_unique_for_overwrite<char[]>(bytes + Request::kBodyPadding);
    if (size_ > 0) std::memcpy(larger.get(), data_.get(), size_);
    data_ = std::move(larger);
    capacity_ = bytes;
  }

  std::unique_ptr<char[]> data_;
  std::size_t size_ = 0, capacity_ = 0;
};

/// Beast's Body concept over a BodyBuffer, which the session sets before parsing.
struct BufferedBody {
  using value_type = BodyBuffer*;

  class reader {
   public:
    template <bool is_request, class Fields>
    reader(boost::beast::http::header<is_request, Fields>&, value_type& body) : body_(body) {}

    void init(const boost::optional<std::uint64_t>& length, boost::beast::error_code& failure) {
      failure = {};
      if (length) body_->expect(static_cast<std::size_t>(*length));
    }
    template <class Buffers>
    std::size_t put(const Buffers& buffers, boost::beast::error_code& failure) {
      failure = {};
      std::size_t taken = 0;
      for (auto part = boost::asio::buffer_sequence_begin(buffers); part != boost::asio::buffer_sequence_end(buffers);
           ++part) {
        const boost::asio::const_buffer bytes = *part;
        body_->append(bytes.data(), bytes.size());
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
