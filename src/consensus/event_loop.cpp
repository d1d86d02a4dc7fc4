#include "event_loop.hpp"

#include <cassert>
#include <csignal>
#include <utility>

namespace vectorizer::consensus {
namespace {

EventLoop& self(void* data) {
  return *static_cast<EventLoop*>(data);
}

/// libuv writes to sockets without MSG_NOSIGNAL; a peer that went away is an error code, not the death of the process.
void block_sigpipe() {
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
}

template <typename Handle>
void close_handle(Handle& handle) {
  uv_close(reinterpret_cast<uv_handle_t*>(&handle), nullptr);
}

}  // namespace

EventLoop::EventLoop() {
  [[maybe_unused]] int status = uv_loop_init(&loop_);
  assert(status == 0);
  wake_.data = before_.data = after_.data = this;
  status = uv_async_init(&loop_, &wake_, [](uv_async_t* handle) { self(handle->data).drain(); });
  assert(status == 0);
  uv_prepare_init(&loop_, &before_);
  uv_check_init(&loop_, &after_);
  uv_prepare_start(&before_, [](uv_prepare_t* handle) {
    if (auto& loop = self(handle->data); loop.turn_) loop.turn_();
  });
  uv_check_start(&after_, [](uv_check_t* handle) {
    if (auto& loop = self(handle->data); loop.turn_) loop.turn_();
  });
}

EventLoop::~EventLoop() {
  if (!finished_) {
    finish();
    uv_run(&loop_, UV_RUN_DEFAULT);
  }
  [[maybe_unused]] const int status = uv_loop_close(&loop_);
  assert(status == 0);
}

void EventLoop::post(std::function<void()> task) {
  const std::lock_guard lock(mutex_);
  if (finished_) return;
  tasks_.push_back(std::move(task));
  uv_async_send(&wake_);
}

void EventLoop::run() {
  block_sigpipe();
  uv_run(&loop_, UV_RUN_DEFAULT);
}

void EventLoop::finish() {
  std::vector<std::function<void()>> dropped;
  {
    const std::lock_guard lock(mutex_);
    if (finished_) return;
    finished_ = true;
    dropped.swap(tasks_);
  }
  close_handle(wake_);
  close_handle(before_);
  close_handle(after_);
}

void EventLoop::drain() {
  std::vector<std::function<void()>> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(tasks_);
  }
  for (auto& task : tasks) {
    task();
    task = nullptr;  // what it holds goes before the next one runs
  }
}

}  // namespace vectorizer::consensus
