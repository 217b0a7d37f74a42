#include "yolo_edge/thread_affinity.h"

#include <sched.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>

#include "argument_error.h"

namespace yolo_edge {
namespace {

constexpr pid_t caller = 0;

/// As many bits as the largest kernel has; cpu_set_t holds only 1,024 CPUs.
class KernelMask {
  public:
    KernelMask() = default;

    explicit KernelMask(const CpuSet& cpus) {
        for (const int cpu : cpus) CPU_SET_S(static_cast<std::size_t>(cpu), sizeof(words_), words_.data());
    }

    CpuSet cpus() const {
        std::vector<int> result;
        for (int cpu = 0; cpu < CpuSet::limit; ++cpu) {
            if (CPU_ISSET_S(static_cast<std::size_t>(cpu), sizeof(words_), words_.data())) {
                result.push_back(cpu);
            }
        }
        return CpuSet(result);
    }

    bool get(pid_t tid) { return sched_getaffinity(tid, sizeof(words_), words_.data()) == 0; }
    bool set(pid_t tid) const { return sched_setaffinity(tid, sizeof(words_), words_.data()) == 0; }

  private:
    std::array<cpu_set_t, CpuSet::limit / CPU_SETSIZE> words_{};
};

std::string last_error() {
    return std::generic_category().message(errno);
}

}  // namespace

CpuSet thread_cpus(int tid) {
    if (tid < 0) throw argument_error("tid is ", tid, "; it must be 0 (the calling thread) or a thread's id");
    KernelMask mask;
    if (!mask.get(tid)) {
        const std::string reason = last_error();
        throw std::runtime_error("cannot read the CPUs of thread " + std::to_string(tid) + ": " + reason);
    }
    return mask.cpus();
}

CpuSet current_thread_cpus() {
    return thread_cpus(caller);
}

namespace {

/// Returns false when there is no such thread.
bool bind(pid_t tid, const CpuSet& cpus) {
    if (cpus.empty()) throw std::invalid_argument("cpus is empty; a thread needs at least one CPU");
    KernelMask earlier;
    if (!earlier.get(tid) && errno == ESRCH) return false;
    const CpuSet before = earlier.cpus();
    if (!KernelMask(cpus).set(tid)) {
        if (errno == ESRCH) return false;
        const std::string reason = last_error();
        throw std::runtime_error("cannot bind the thread to CPUs " + cpus.to_list() + ": " + reason +
                                 "; it runs on " + before.to_list());
    }
    KernelMask now;
    if (!now.get(tid) && errno == ESRCH) return false;
    const CpuSet bound = now.cpus();
    if (bound == cpus) return true;
    earlier.set(tid);
    throw std::runtime_error("asked to bind the thread to CPUs " + cpus.to_list() +
                             ", the kernel bound it to " + bound.to_list() +
                             " (the others are offline or outside the cpuset); it runs on " +
                             thread_cpus(tid).to_list() + " again");
}

}  // namespace

void bind_current_thread(const CpuSet& cpus) {
    bind(caller, cpus);
}

bool bind_thread(int tid, const CpuSet& cpus) {
    if (tid < 1) throw argument_error("tid is ", tid, "; it must be the id of a thread of this process");
    return bind(tid, cpus);
}

ScopedAffinity::ScopedAffinity(const CpuSet& cpus) : before_(current_thread_cpus()) {
    bind_current_thread(cpus);
}

ScopedAffinity::~ScopedAffinity() {
    // A destructor cannot report; this fails only when all the earlier CPUs went offline meanwhile.
    KernelMask(before_).set(caller);
}

}  // namespace yolo_edge
