#include "inference_thread.h"

#include <pthread.h>

#include <utility>

#include "yolo_edge/errors.h"

namespace yolo_edge {

InferenceThread::InferenceThread(const std::string& name) : thread_([this, name] { run(name); }) {}

InferenceThread::~InferenceThread() {
    close();
}

void InferenceThread::post(Task& task) {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (closed_) throw EngineError("the engine was closed");
        task.next_ = nullptr;
        task.done_ = false;
        task.error_ = nullptr;
        (first_ == nullptr ? first_ : last_->next_) = &task;
        last_ = &task;
    }
    posted_.notify_one();
}

void InferenceThread::wait(Task& task) {
    std::unique_lock<std::mutex> lock(mutex_);
    task.was_done_.wait(lock, [&task] { return task.done_; });
    // Taken out: an exception that stayed here would live as long as the task.
    if (const std::exception_ptr error = std::exchange(task.error_, nullptr)) std::rethrow_exception(error);
}

void InferenceThread::close() {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        closed_ = true;
    }
    posted_.notify_one();
    if (thread_.joinable()) thread_.join();
}

void InferenceThread::run(const std::string& name) {
    pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
        posted_.wait(lock, [this] { return first_ != nullptr || closed_; });
        if (first_ == nullptr) return;
        Task& task = *first_;
        first_ = task.next_;
        lock.unlock();
        std::exception_ptr error;
        const auto started = std::chrono::steady_clock::now();
        try {
            task.work();
        } catch (...) {  // handed to the caller, whatever it is
            error = std::current_exception();
        }
        const auto finished = std::chrono::steady_clock::now();
        lock.lock();
        task.started_ = started;
        task.finished_ = finished;
        task.error_ = std::move(error);
        task.done_ = true;
        // With the lock held: the caller may destroy the task as soon as it has seen done_.
        task.was_done_.notify_one();
    }
}

}  // namespace yolo_edge
