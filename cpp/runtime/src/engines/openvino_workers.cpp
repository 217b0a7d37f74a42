#include "openvino_workers.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "yolo_edge/errors.h"
#include "yolo_edge/thread_affinity.h"

namespace yolo_edge {
namespace {

constexpr const char* worker_name = "yolo-openvino";
/// hwloc's own switch: 0 says that the machine it describes is another, on which nothing can be bound.
constexpr const char* hwloc_switch = "HWLOC_THISSYSTEM";

/// What all engines of the process have to know.
struct Process {
    std::recursive_mutex mutex;
    std::optional<bool> obedient;  ///< Whether TBB leaves bindings alone; nothing before its first use.
    std::set<int> inference_threads;
    std::map<const OpenVinoWorkers*, CpuSet> sharing;  ///< The engines that compute in the pool.
};

Process& process() {
    static Process the_process;
    return the_process;
}

/// Whether somebody else has had OpenVINO compute here, so that TBB knows its CPUs already.
bool tbb_was_used() {
    std::ifstream maps("/proc/self/maps");
    std::string line;
    while (std::getline(maps, line)) {
        if (line.find("_cpu_plugin.so") != std::string::npos) return true;
    }
    return false;
}

bool is_worker(int thread) {
    std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/comm");
    std::string name;
    return std::getline(file, name) && name == worker_name;
}

/// Sets hwloc's switch for as long as it lives. The environment belongs to the whole process, and a thread
/// that reads it at this moment may not like that; there is no other way to reach hwloc behind TBB.
class Switched {
  public:
    Switched() {
        if (const char* value = std::getenv(hwloc_switch)) before_ = value;
        setenv(hwloc_switch, "0", 1);
    }
    ~Switched() {
        if (before_) {
            setenv(hwloc_switch, before_->c_str(), 1);
        } else {
            unsetenv(hwloc_switch);
        }
    }
    Switched(const Switched&) = delete;
    Switched& operator=(const Switched&) = delete;

  private:
    std::optional<std::string> before_;
};

}  // namespace

OpenVinoWorkers::OpenVinoWorkers(int threads, const std::optional<CpuSet>& cpus)
    : shares_(threads > 1), cpus_(cpus), thread_(static_cast<int>(syscall(SYS_gettid))) {
    if (!cpus_) return;
    const std::lock_guard<std::recursive_mutex> lock(process().mutex);
    const std::string mine = cpus_->to_list();
    if (!process().obedient) process().obedient = !tbb_was_used();
    if (!*process().obedient && !cpus_->includes(thread_cpus(getpid()))) {
        throw EngineError(
            "OpenVINO was used in this process before, so its threads do not stay on CPUs " + mine +
            ": open the detector first, or start the process bound to them (taskset -c " + mine + " ...)");
    }
    if (shares_) {
        for (const auto& [other, others] : process().sharing) {
            if (others == *cpus_) continue;
            throw EngineError(
                "all engines of a process share OpenVINO's worker threads, and those of one that is open "
                "are bound to CPUs " +
                others.to_list() + ": an engine of " + std::to_string(threads) +
                " threads cannot have CPUs " + mine +
                ". Give both the same, or this one threads=1 or its own process");
        }
    }
    tasks_.reset(opendir("/proc/self/task"));
    if (tasks_ == nullptr) throw EngineError("cannot read /proc/self/task, so no thread can be bound");
    pthread_setname_np(pthread_self(), worker_name);
    process().inference_threads.insert(thread_);
    if (shares_) process().sharing.emplace(this, *cpus_);
}

OpenVinoWorkers::~OpenVinoWorkers() {
    const std::lock_guard<std::recursive_mutex> lock(process().mutex);
    process().sharing.erase(this);
    process().inference_threads.erase(thread_);
}

void OpenVinoWorkers::start(const std::function<void()>& compile) {
    if (!cpus_) return compile();
    const std::lock_guard<std::recursive_mutex> lock(process().mutex);
    {
        const Switched bind_nothing;
        compile();
    }
    // Those that compiled. With one thread they are nobody's, so another engine's are left alone.
    if (shares_ || process().sharing.empty()) bind_new();
}

void OpenVinoWorkers::bind() {
    if (shares_ && cpus_) bind_new();
}

void OpenVinoWorkers::bind_new() {
    found_.clear();
    rewinddir(tasks_.get());
    while (const dirent* entry = readdir(tasks_.get())) {
        const int thread = std::atoi(entry->d_name);
        if (thread == 0) continue;  // . and ..
        found_.push_back(thread);
        if (std::find(known_.begin(), known_.end(), thread) != known_.end() || !is_worker(thread)) continue;
        const std::lock_guard<std::recursive_mutex> lock(process().mutex);
        if (process().inference_threads.count(thread) == 0) bind_thread(thread, *cpus_);
    }
    known_.swap(found_);
}

}  // namespace yolo_edge
