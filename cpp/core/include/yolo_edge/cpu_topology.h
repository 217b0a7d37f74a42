#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "yolo_edge/cpu_set.h"

namespace yolo_edge {

/// The CPUs that a user can ask for by name.
enum class CpuCluster {
    all,     ///< Every CPU; the only cluster (big means the same) of a machine whose CPUs are alike.
    big,     ///< The fastest tier.
    medium,  ///< What lies between, on machines with three tiers or more.
    little,  ///< The slowest tier.
};

/// "all", "big", "medium" or "little".
std::string_view name_of(CpuCluster cluster);
/// The reverse; throws std::invalid_argument that lists the four names.
CpuCluster cpu_cluster(std::string_view name);

/// CPUs of about the same speed.
struct CpuTier {
    CpuCluster cluster = CpuCluster::all;  ///< The name under which a user asks for it.
    CpuSet cpus;                           ///< Online CPUs, allowed to this process or not.
    std::optional<std::int64_t> capacity;  ///< Of its fastest CPU, as the kernel counts; 1024 is the fastest.
    std::optional<std::int64_t> max_frequency_khz;  ///< Of its fastest CPU.
};

/// The CPUs of this machine by speed, and what this process may use of them. A picture taken once.
class CpuTopology {
  public:
    /// Reads sysfs and /proc below `root`; whatever is missing or garbled there counts as unknown.
    ///
    /// Speed is told by the first of these that every online CPU has and that tells CPUs apart:
    /// `cpu_capacity`; the CPU part (midr_el1 or /proc/cpuinfo, known ARM parts only) times the highest
    /// frequency where that is known; `cpufreq/cpuinfo_max_freq`; the core and atom lists of hybrid x86. With
    /// none, all are alike. Sorted by falling speed, a new tier starts at a CPU more than 15 % below the
    /// fastest of its tier, so the two frequency domains of RK3588's big cores are one tier.
    ///
    /// Two hardware threads of one core count as two CPUs.
    ///
    /// `allowed`: what the process may use; by default what the kernel lets the calling thread run on, so
    /// read the topology before binding that thread. Limited to online CPUs (all of `allowed` when the kernel
    /// does not say which are online). Throws std::runtime_error when nothing is left.
    static CpuTopology read(const std::string& root = "/", std::optional<CpuSet> allowed = std::nullopt);

    const CpuSet& online() const { return online_; }
    const CpuSet& allowed() const { return allowed_; }

    /// By falling speed: {all}, {big, little} or {big, medium, little}.
    const std::vector<CpuTier>& tiers() const { return tiers_; }

    /// What told the speeds: "cpu_capacity", "CPU part", "cpuinfo_max_freq", "core type" or "nothing".
    const std::string& ranked_by() const { return ranked_by_; }

    /// CPUs' worth of time that the cgroups of this process grant it (v2 cpu.max, v1 cpu.cfs_quota_us, the
    /// smallest from its own cgroup up); nothing when unlimited. It says how many threads pay, not which
    /// CPUs.
    std::optional<double> quota_cpus() const { return quota_cpus_; }

    /// The allowed CPUs of the fastest tier that has any: the big ones, or all where there is one tier.
    CpuSet select() const;

    /// The allowed CPUs of a cluster. Throws std::invalid_argument for one that this machine lacks, with
    /// those it has, and for one of which the process may use no CPU.
    CpuSet select(CpuCluster cluster) const;

    /// `affinity` itself. Throws std::invalid_argument when it is empty or holds a CPU that is not allowed.
    CpuSet select(const CpuSet& affinity) const;

    /// How many threads to run on `cpus`: one for each, but no more than the quota, rounded up, feeds.
    /// Throws std::invalid_argument for an empty set.
    int default_threads(const CpuSet& cpus) const;

  private:
    CpuTopology() = default;

    CpuSet online_;
    CpuSet allowed_;
    std::vector<CpuTier> tiers_;
    std::string ranked_by_;
    std::optional<double> quota_cpus_;
};

}  // namespace yolo_edge
