#pragma once

#include "yolo_edge/cpu_set.h"

namespace yolo_edge {

/// The CPUs that the kernel lets the calling thread run on. Threads it starts inherit them.
CpuSet current_thread_cpus();

/// The same of thread `tid` of any process, a number in /proc/self/task for one of ours; 0 is the caller.
///
/// Throws std::invalid_argument for a negative tid, std::runtime_error when there is no such thread.
CpuSet thread_cpus(int tid);

/// Makes the calling thread run only on `cpus`, and checks that the kernel agreed.
///
/// The kernel drops without a word what is offline or outside the container's cpuset: the binding is read
/// back, and where it differs the thread gets its earlier CPUs back and std::runtime_error says what
/// happened. Throws std::invalid_argument for an empty set.
void bind_current_thread(const CpuSet& cpus);

/// The same for thread `tid` of this process, a number in /proc/self/task.
///
/// Returns false when there is no such thread (any more). Throws std::invalid_argument for a tid below 1 too.
bool bind_thread(int tid, const CpuSet& cpus);

/// Binds the calling thread for as long as this object lives, then gives it its earlier CPUs back.
///
/// Must end on the thread that made it. Threads started meanwhile keep `cpus`.
class ScopedAffinity {
  public:
    explicit ScopedAffinity(const CpuSet& cpus);
    ~ScopedAffinity();
    ScopedAffinity(const ScopedAffinity&) = delete;
    ScopedAffinity& operator=(const ScopedAffinity&) = delete;

  private:
    CpuSet before_;
};

}  // namespace yolo_edge
