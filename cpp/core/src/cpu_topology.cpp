#include "yolo_edge/cpu_topology.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "argument_error.h"
#include "cpu_quota.h"
#include "cpu_speed.h"
#include "system_files.h"
#include "yolo_edge/thread_affinity.h"

namespace yolo_edge {
namespace {

constexpr CpuCluster clusters[] = {CpuCluster::all, CpuCluster::big, CpuCluster::medium, CpuCluster::little};

constexpr std::int64_t tier_percent = 85;  // of a tier's fastest CPU: its slowest is no slower

/// CPU sets by falling speed.
std::vector<CpuSet> split_by_speed(const CpuSpeeds& speeds) {
    std::vector<std::pair<std::int64_t, int>> by_score;  // score, CPU
    for (const auto& [cpu, speed] : speeds.by_cpu) by_score.emplace_back(speed.score, cpu);
    std::sort(by_score.begin(), by_score.end(), std::greater<>());
    std::vector<std::vector<int>> groups;
    std::int64_t fastest = 0;
    for (const auto& [score, cpu] : by_score) {
        if (groups.empty() || score * 100 < fastest * tier_percent) {
            groups.emplace_back();
            fastest = score;
        }
        groups.back().push_back(cpu);
    }
    return {groups.begin(), groups.end()};
}

CpuTier make_tier(CpuCluster cluster, const CpuSet& cpus, const CpuSpeeds& speeds) {
    CpuTier tier;
    tier.cluster = cluster;
    tier.cpus = cpus;
    for (const int cpu : cpus) {
        const CpuSpeed& speed = speeds.by_cpu.at(cpu);
        tier.capacity = std::max(tier.capacity, speed.capacity);  // nothing is less than any number
        tier.max_frequency_khz = std::max(tier.max_frequency_khz, speed.max_frequency_khz);
    }
    return tier;
}

std::vector<CpuTier> make_tiers(const CpuSpeeds& speeds) {
    const std::vector<CpuSet> groups = split_by_speed(speeds);
    if (groups.size() == 1) return {make_tier(CpuCluster::all, groups.front(), speeds)};
    std::vector<CpuTier> tiers = {make_tier(CpuCluster::big, groups.front(), speeds)};
    CpuSet between;
    for (std::size_t i = 1; i + 1 < groups.size(); ++i) between = between | groups[i];
    if (!between.empty()) tiers.push_back(make_tier(CpuCluster::medium, between, speeds));
    tiers.push_back(make_tier(CpuCluster::little, groups.back(), speeds));
    return tiers;
}

/// The CPUs of a cluster, allowed or not; nothing when the machine lacks it.
std::optional<CpuSet> cluster_cpus(const CpuTopology& topology, CpuCluster cluster) {
    const bool alike = topology.tiers().size() == 1;
    if (cluster == CpuCluster::all || (cluster == CpuCluster::big && alike)) return topology.online();
    for (const CpuTier& tier : topology.tiers()) {
        if (tier.cluster == cluster) return tier.cpus;
    }
    return std::nullopt;
}

std::string clusters_text(const CpuTopology& topology) {
    std::string text;
    for (const CpuCluster cluster : clusters) {
        const std::optional<CpuSet> cpus = cluster_cpus(topology, cluster);
        if (!cpus) continue;
        if (!text.empty()) text += ", ";
        text += std::string(name_of(cluster)) + " (CPUs " + cpus->to_list() + ")";
    }
    return text;
}

}  // namespace

std::string_view name_of(CpuCluster cluster) {
    switch (cluster) {
        case CpuCluster::all:
            return "all";
        case CpuCluster::big:
            return "big";
        case CpuCluster::medium:
            return "medium";
        case CpuCluster::little:
            return "little";
    }
    throw argument_error("CpuCluster is ", static_cast<int>(cluster),
                         "; it must be all, big, medium or little");
}

CpuCluster cpu_cluster(std::string_view name) {
    for (const CpuCluster cluster : clusters) {
        if (name == name_of(cluster)) return cluster;
    }
    throw argument_error("cluster is '", name, "'; it must be 'all', 'big', 'medium' or 'little'");
}

CpuTopology CpuTopology::read(const std::string& root, std::optional<CpuSet> allowed) {
    const SystemFiles files(root);
    if (!allowed) allowed = current_thread_cpus();
    CpuTopology topology;
    topology.online_ = files.cpus("sys/devices/system/cpu/online").value_or(*allowed);
    topology.allowed_ = *allowed & topology.online_;
    if (topology.allowed_.empty()) {
        throw std::runtime_error("no CPU is left to run on: allowed are '" + allowed->to_list() +
                                 "', online are '" + topology.online_.to_list() + "'");
    }
    CpuSpeeds speeds = read_cpu_speeds(files, topology.online_);
    topology.tiers_ = make_tiers(speeds);
    topology.ranked_by_ = std::move(speeds.ranked_by);
    topology.quota_cpus_ = cpu_quota(files);
    return topology;
}

CpuSet CpuTopology::select() const {
    for (const CpuTier& tier : tiers_) {
        CpuSet cpus = tier.cpus & allowed_;
        if (!cpus.empty()) return cpus;
    }
    return allowed_;
}

CpuSet CpuTopology::select(CpuCluster cluster) const {
    const std::optional<CpuSet> wanted = cluster_cpus(*this, cluster);
    if (!wanted) {
        throw argument_error("cluster is '", name_of(cluster), "'; this machine has ", clusters_text(*this));
    }
    CpuSet cpus = *wanted & allowed_;
    if (cpus.empty()) {
        throw argument_error("cluster is '", name_of(cluster), "', CPUs ", wanted->to_list(),
                             ", of which this process may use none; it may use ", allowed_.to_list(),
                             " (set by taskset, the container or isolcpus)");
    }
    return cpus;
}

CpuSet CpuTopology::select(const CpuSet& affinity) const {
    if (affinity.empty()) {
        throw argument_error("affinity holds no CPU; this process may use ", allowed_.to_list());
    }
    const CpuSet refused = affinity - allowed_;
    if (refused.empty()) return affinity;
    throw argument_error("affinity is ", affinity.to_list(), "; of the online CPUs ", online_.to_list(),
                         " this process may use ", allowed_.to_list(),
                         " (set by taskset, the container or isolcpus), so not ", refused.to_list());
}

int CpuTopology::default_threads(const CpuSet& cpus) const {
    if (cpus.empty()) throw std::invalid_argument("cpus is empty; at least one CPU must run the threads");
    const int count = static_cast<int>(cpus.size());
    if (!quota_cpus_) return count;
    return static_cast<int>(std::clamp(std::ceil(*quota_cpus_), 1.0, static_cast<double>(count)));
}

}  // namespace yolo_edge
