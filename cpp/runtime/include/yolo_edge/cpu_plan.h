#pragma once

#include <optional>
#include <string>

#include "yolo_edge/cpu_topology.h"

namespace yolo_edge {

/// What a user may say about CPUs; nothing of it is what most want.
struct CpuChoice {
    std::optional<int> threads;  ///< Threads of one inference; by default see CpuTopology::default_threads.
    std::optional<CpuCluster> cluster;  ///< By default the big cores, all CPUs where they are alike.
    std::optional<CpuSet> affinity;     ///< These CPUs instead of a cluster.
};

/// Which CPUs the engine gets, how many threads it runs on them, and what is left for everything else.
struct CpuPlan {
    CpuSet engine_cpus;   ///< The inference thread and its workers are bound to these.
    int threads = 1;      ///< Of one inference.
    CpuSet other_cpus;    ///< Allowed CPUs that are left; all allowed ones when none is.
    std::string warning;  ///< What is allowed but will not pay; "" when there is nothing to say.
};

/// Throws std::invalid_argument for both a cluster and an affinity, a cluster that the machine lacks, a CPU
/// that this process may not use, or fewer threads than one.
CpuPlan plan_cpus(const CpuChoice& choice, const CpuTopology& topology = CpuTopology::read());

}  // namespace yolo_edge
