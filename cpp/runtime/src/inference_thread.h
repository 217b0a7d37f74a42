#pragma once

#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <string>
#include <thread>

namespace yolo_edge {

/// What an InferenceThread does for a caller. Owned by the caller, used again and again: posting allocates
/// nothing.
class Task {
  public:
    virtual ~Task() = default;

    std::chrono::steady_clock::time_point started() const { return started_; }
    std::chrono::steady_clock::time_point finished() const { return finished_; }

  protected:
    virtual void work() = 0;  ///< Runs on the thread; may throw.

  private:
    friend class InferenceThread;
    Task* next_ = nullptr;
    bool done_ = true;
    std::exception_ptr error_;
    std::condition_variable was_done_;
    std::chrono::steady_clock::time_point started_;
    std::chrono::steady_clock::time_point finished_;
};

/// A thread that runs what is posted to it, one task after the other. It sleeps while there is nothing to do.
class InferenceThread {
  public:
    /// `name` shows in ps and top; fifteen characters of it.
    explicit InferenceThread(const std::string& name);
    ~InferenceThread();

    /// Throws EngineError when the thread was closed. The task must live until wait() returns.
    void post(Task& task);
    /// Waits for a posted task and throws what it threw.
    void wait(Task& task);
    void call(Task& task) {
        post(task);
        wait(task);
    }

    /// Ends the thread after what was posted.
    void close();

  private:
    void run(const std::string& name);

    std::mutex mutex_;
    std::condition_variable posted_;
    Task* first_ = nullptr;
    Task* last_ = nullptr;
    bool closed_ = false;
    std::thread thread_;
};

/// A task made of a callable.
template <typename Function>
class FunctionTask final : public Task {
  public:
    explicit FunctionTask(Function function) : function_(std::move(function)) {}

  private:
    void work() override { function_(); }
    Function function_;
};

}  // namespace yolo_edge
