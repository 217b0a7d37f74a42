#include "yolo_edge/cpu_plan.h"

#include "argument_error.h"

namespace yolo_edge {

CpuPlan plan_cpus(const CpuChoice& choice, const CpuTopology& topology) {
    if (choice.cluster && choice.affinity) {
        throw argument_error("both cluster ", name_of(*choice.cluster), " and affinity ",
                             choice.affinity->to_list(), " were given; choose one");
    }
    if (choice.threads && *choice.threads < 1) {
        throw argument_error("threads is ", *choice.threads, "; it must be a whole number of at least 1");
    }
    CpuPlan plan;
    plan.engine_cpus = choice.cluster    ? topology.select(*choice.cluster)
                       : choice.affinity ? topology.select(*choice.affinity)
                                         : topology.select();
    plan.threads = choice.threads.value_or(topology.default_threads(plan.engine_cpus));
    const CpuSet rest = topology.allowed() - plan.engine_cpus;
    plan.other_cpus = rest.empty() ? topology.allowed() : rest;
    const std::size_t count = plan.engine_cpus.size();
    if (static_cast<std::size_t>(plan.threads) > count) {
        plan.warning = std::to_string(plan.threads) + " threads on " + std::to_string(count) + " CPUs (" +
                       plan.engine_cpus.to_list() + ") wait for each other; fewer threads are faster";
    }
    return plan;
}

}  // namespace yolo_edge
