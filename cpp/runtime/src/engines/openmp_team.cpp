#include "openmp_team.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

// What ncnn uses of OpenMP, `parallel for` with the iterations dealt out evenly, in the form that gcc
// compiles it to. cmake/ncnn.cmake gives the calls in ncnn's library the names below; the program's own
// OpenMP is untouched.
//
// GNU OpenMP's threads wait busily at every barrier, for milliseconds: where another process wants the CPU of
// one of them, the others burn theirs until it has come back, at each of a network's hundred loops. These
// wait busily for about as long as a thread takes to fall asleep and wake up, then sleep.

namespace yolo_edge {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::nanoseconds longest_spin(50'000);
constexpr std::chrono::nanoseconds shortest_spin(2'000);
/// What the limit grows by with each loop that all threads finished together.
constexpr std::chrono::nanoseconds regained_spin(50);
/// A thread that is this late had no CPU: longer than any loop is uneven or any sleeper slow, shorter than
/// the slices that the kernel deals out.
constexpr std::chrono::nanoseconds lost_cpu(300'000);

void pause() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
    __asm__ volatile("yield");
#endif
}

/// Waits busily until `done` says so; false when that took longer than `limit`.
template <typename Done>
bool spin(std::chrono::nanoseconds limit, Done done) {
    const auto end = Clock::now() + limit;
    do {
        for (int i = 0; i < 16; ++i) {
            if (done()) return true;
            pause();
        }
    } while (Clock::now() < end);
    return done();
}

int allowed_cpus() {
    cpu_set_t set;
    // A machine with more CPUs than the set holds has enough of them.
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : CPU_SETSIZE;
}

thread_local int team_size = 1;  // of the loop that this thread is in
thread_local int place = 0;      // in that team

/// The threads that compute one thread's loops with it.
class Team {
  public:
    using Loop = void (*)(void*);

    /// With fewer CPUs than threads the one waited for may need this thread's CPU: no busy waiting at all.
    explicit Team(int size)
        : size_(size),
          longest_(size <= allowed_cpus() ? longest_spin : longest_spin.zero()),
          limit_(longest_) {
        try {
            for (int i = 1; i < size; ++i) others_.emplace_back([this, i] { serve(i); });
        } catch (...) {  // the system has no thread for us; those that it had must end
            end();
            throw;
        }
    }

    ~Team() { end(); }

    Team(const Team&) = delete;
    Team& operator=(const Team&) = delete;

    int size() const { return size_; }

    void run(Loop loop, void* data) {
        post(loop, data);
        team_size = size_;
        loop(data);
        team_size = 1;
        const auto started = Clock::now();
        const auto finished = [this] { return busy_.load() == 0; };
        if (!spin(limit_, finished)) {
            std::unique_lock<std::mutex> lock(mutex_);
            finished_.wait(lock, finished);
        }
        limit_ = Clock::now() - started < lost_cpu ? std::min(limit_.load() + regained_spin, longest_)
                                                   : std::min(shortest_spin, longest_);
    }

  private:
    void end() {
        post(nullptr, nullptr);
        for (std::thread& other : others_) other.join();
    }

    /// Lets the others begin. No loop means the end.
    void post(Loop loop, void* data) {
        loop_ = loop;
        data_ = data;
        busy_.store(size_ - 1);
        round_.fetch_add(1);
        // Either a thread that goes to sleep sees the new round, or it is counted here.
        if (asleep_.load() == 0) return;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
        }
        posted_.notify_all();
    }

    void serve(int own_place) {
        team_size = size_;
        place = own_place;
        for (unsigned round = 1;; ++round) {
            const auto posted = [this, round] { return round_.load() == round; };
            if (!spin(limit_, posted)) {
                std::unique_lock<std::mutex> lock(mutex_);
                asleep_.fetch_add(1);
                posted_.wait(lock, posted);
                asleep_.fetch_sub(1);
            }
            if (loop_ == nullptr) return;
            loop_(data_);
            if (busy_.fetch_sub(1) == 1) {
                // With the lock: the thread that waits must not look before and sleep after.
                const std::lock_guard<std::mutex> lock(mutex_);
                finished_.notify_one();
            }
        }
    }

    const int size_;
    const std::chrono::nanoseconds longest_;
    std::atomic<std::chrono::nanoseconds> limit_;  ///< Of busy waiting, from 0 or shortest_spin to longest_.
    Loop loop_ = nullptr;
    void* data_ = nullptr;
    std::atomic<unsigned> round_{0};
    std::atomic<int> busy_{0};    ///< Others that have not finished this round.
    std::atomic<int> asleep_{0};  ///< Others that wait for posted_.
    std::mutex mutex_;
    std::condition_variable posted_;
    std::condition_variable finished_;
    std::vector<std::thread> others_;  // last: they use the rest
};

/// This thread's, of that size.
Team& team_of(int size) {
    thread_local std::unique_ptr<Team> team;
    if (!team || team->size() != size) {
        team.reset();
        team = std::make_unique<Team>(size);
    }
    return *team;
}

}  // namespace

void start_openmp_team(int threads) {
    if (threads > 1) team_of(threads);
}

}  // namespace yolo_edge

extern "C" {

void yolo_edge_GOMP_parallel(void (*loop)(void*), void* data, unsigned threads, unsigned flags);
int yolo_edge_omp_get_num_threads();
int yolo_edge_omp_get_thread_num();
int yolo_edge_omp_get_dynamic();
void yolo_edge_omp_set_dynamic(int dynamic);
void yolo_edge_omp_set_num_threads(int threads);

// `threads` is 0 where the loop does not say how many: ncnn's always do.
void yolo_edge_GOMP_parallel(void (*loop)(void*), void* data, unsigned threads, unsigned) {
    using namespace yolo_edge;
    // A loop inside a loop is one thread's.
    if (threads <= 1 || team_size > 1) {
        const int outer_size = team_size;
        const int outer_place = place;
        team_size = 1;
        place = 0;
        loop(data);
        team_size = outer_size;
        place = outer_place;
    } else {
        team_of(static_cast<int>(threads)).run(loop, data);
    }
}

int yolo_edge_omp_get_num_threads() {
    return yolo_edge::team_size;
}

int yolo_edge_omp_get_thread_num() {
    return yolo_edge::place;
}

// ncnn's set_omp_num_threads and set_omp_dynamic, which its networks do not call: each loop says its number.
int yolo_edge_omp_get_dynamic() {
    return 0;
}
void yolo_edge_omp_set_dynamic(int) {}
void yolo_edge_omp_set_num_threads(int) {}

}  // extern "C"
