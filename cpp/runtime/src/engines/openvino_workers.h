#pragma once

#include <dirent.h>

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "yolo_edge/cpu_set.h"

namespace yolo_edge {

/// Keeps the threads in which OpenVINO computes on the CPUs of an engine.
///
/// OpenVINO has no option for that. Its workers are a pool of TBB that all models of a process share, and TBB
/// starts them on the CPUs that the process's main thread had, not on those of the thread that needs them.
/// Besides, while an inference runs, TBB lets hwloc put every thread of it, the caller's too, on all CPUs of
/// the process.
///
/// So hwloc is told to bind nothing when TBB first asks it, and the workers are bound here once they appear.
/// They are known by their name: a thread inherits it from the one that started it.
///
/// One engine's share of the pool; made, used and destroyed on its inference thread.
class OpenVinoWorkers {
  public:
    /// `threads` of one inference; with one it runs on the inference thread alone. Nothing for `cpus` leaves
    /// everything as it is. Throws EngineError when the pool cannot be kept there.
    OpenVinoWorkers(int threads, const std::optional<CpuSet>& cpus);
    ~OpenVinoWorkers();
    OpenVinoWorkers(const OpenVinoWorkers&) = delete;
    OpenVinoWorkers& operator=(const OpenVinoWorkers&) = delete;

    /// Runs what compiles the model, when TBB and hwloc come up.
    void start(const std::function<void()>& compile);

    /// Binds the workers that have appeared; to be called after each inference.
    void bind();

  private:
    void bind_new();

    struct Closed {
        void operator()(DIR* folder) const { closedir(folder); }
    };

    bool shares_;
    std::optional<CpuSet> cpus_;
    int thread_;
    std::unique_ptr<DIR, Closed> tasks_;  ///< Open all the time: reading it again allocates nothing.
    std::vector<int> known_;
    std::vector<int> found_;
};

}  // namespace yolo_edge
