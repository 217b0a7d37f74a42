// The machines themselves are in tests/core/test_cpu_topology.py; here what needs a sanitizer or the C++ API.
#include "yolo_edge/cpu_topology.h"

#include <doctest/doctest.h>

#include <stdexcept>

#include "fake_tree.h"
#include "yolo_edge/thread_affinity.h"

using namespace yolo_edge;
using yolo_edge::testing::FakeTree;

namespace {

void write_rk3588(const FakeTree& tree) {
    tree.write_online("0-7");
    for (int cpu = 0; cpu < 8; ++cpu) {
        tree.write_cpu(cpu, "cpu_capacity", cpu < 4 ? "397" : cpu < 6 ? "983" : "1024");
        tree.write_cpu(cpu, "cpufreq/cpuinfo_max_freq",
                       cpu < 4   ? "1800000"
                       : cpu < 6 ? "2304000"
                                 : "2400000");
    }
}

CpuSet cpus(const char* list) {
    return CpuSet::parse(list);
}

}  // namespace

TEST_CASE("RK3588's three frequency domains are two tiers") {
    const FakeTree tree;
    write_rk3588(tree);
    const CpuTopology topology = CpuTopology::read(tree.root(), cpus("0-7"));
    REQUIRE(topology.tiers().size() == 2);
    const CpuTier& big = topology.tiers()[0];
    CHECK(big.cluster == CpuCluster::big);
    CHECK(big.cpus == cpus("4-7"));
    CHECK(big.capacity == 1024);
    CHECK(big.max_frequency_khz == 2'400'000);
    CHECK(topology.tiers()[1].cluster == CpuCluster::little);
    CHECK(topology.tiers()[1].cpus == cpus("0-3"));
    CHECK(topology.ranked_by() == "cpu_capacity");
    CHECK(topology.select() == cpus("4-7"));
    CHECK(topology.select(CpuCluster::all) == cpus("0-7"));
    CHECK(topology.select(CpuCluster::little) == cpus("0-3"));
    CHECK(topology.select(cpus("1,6")) == cpus("1,6"));
    CHECK_THROWS_WITH_AS(
        topology.select(CpuCluster::medium),
        "cluster is 'medium'; this machine has all (CPUs 0-7), big (CPUs 4-7), little (CPUs 0-3)",
        std::invalid_argument);
}

TEST_CASE("a process held to the little cores gets those by default, and an error when it asks for more") {
    const FakeTree tree;
    write_rk3588(tree);
    const CpuTopology topology = CpuTopology::read(tree.root(), cpus("0-3"));
    CHECK(topology.select() == cpus("0-3"));
    CHECK(topology.select(CpuCluster::all) == cpus("0-3"));
    CHECK_THROWS_WITH_AS(
        topology.select(CpuCluster::big),
        "cluster is 'big', CPUs 4-7, of which this process may use none; it may use 0-3 (set "
        "by taskset, the container or isolcpus)",
        std::invalid_argument);
    CHECK_THROWS_WITH_AS(
        topology.select(cpus("3-4,9")),
        "affinity is 3-4,9; of the online CPUs 0-7 this process may use 0-3 (set by taskset, "
        "the container or isolcpus), so not 4,9",
        std::invalid_argument);
    CHECK_THROWS_WITH_AS(topology.select(CpuSet()), "affinity holds no CPU; this process may use 0-3",
                         std::invalid_argument);
}

TEST_CASE("a root without anything in it: what is allowed is online, and all alike") {
    const FakeTree tree;
    const CpuTopology topology = CpuTopology::read(tree.root(), cpus("0-2,70"));
    CHECK(topology.online() == cpus("0-2,70"));
    REQUIRE(topology.tiers().size() == 1);
    CHECK(topology.tiers()[0].cluster == CpuCluster::all);
    CHECK_FALSE(topology.tiers()[0].capacity);
    CHECK(topology.ranked_by() == "nothing");
    CHECK_FALSE(topology.quota_cpus());
    CHECK(topology.select(CpuCluster::big) == cpus("0-2,70"));
    CHECK(topology.default_threads(cpus("0-2")) == 3);
    CHECK_THROWS_AS(topology.default_threads(CpuSet()), std::invalid_argument);
}

TEST_CASE("no CPU left is an error of the world") {
    const FakeTree tree;
    tree.write_online("4-7");
    CHECK_THROWS_WITH_AS(CpuTopology::read(tree.root(), cpus("0-3")),
                         "no CPU is left to run on: allowed are '0-3', online are '4-7'", std::runtime_error);
}

TEST_CASE("garbage in every file reads as if it were missing") {
    const char* const garbage[] = {
        "",    "\n",  "-1",         "0",       "x",   "0-99999999999", "99999999999999999999",
        ":::", "0::", "0::nowhere", "max max", "1 0", "\xff\xfe\x00"};
    for (const char* text : garbage) {
        CAPTURE(text);
        const FakeTree tree;
        for (int cpu = 0; cpu < 2; ++cpu) {
            for (const char* name :
                 {"cpu_capacity", "cpufreq/cpuinfo_max_freq", "regs/identification/midr_el1"}) {
                tree.write_cpu(cpu, name, cpu == 0 ? text : "77");
            }
        }
        for (const char* name :
             {"sys/devices/cpu_core/cpus", "sys/devices/cpu_atom/cpus", "proc/cpuinfo", "proc/self/cgroup",
              "sys/fs/cgroup/cpu.max", "sys/fs/cgroup/cpu/cpu.cfs_quota_us"}) {
            tree.write(name, text);
        }
        tree.write_online("0-1");
        const CpuTopology topology = CpuTopology::read(tree.root(), cpus("0-1"));
        CHECK(topology.online() == cpus("0-1"));
        CHECK(topology.tiers().size() == 1);
        CHECK_FALSE(topology.quota_cpus());
    }
}

TEST_CASE("a folder in the place of a file reads as if it were missing") {
    const FakeTree tree;
    tree.write("sys/devices/system/cpu/online/file", "");
    tree.write("sys/fs/cgroup/cpu.max/file", "");
    tree.write("proc/self/cgroup/file", "");
    CHECK(CpuTopology::read(tree.root(), cpus("0-1")).online() == cpus("0-1"));
}

TEST_CASE("cluster names go both ways") {
    for (const CpuCluster cluster :
         {CpuCluster::all, CpuCluster::big, CpuCluster::medium, CpuCluster::little}) {
        CHECK(cpu_cluster(name_of(cluster)) == cluster);
    }
    CHECK_THROWS_WITH_AS(cpu_cluster("Big"),
                         "cluster is 'Big'; it must be 'all', 'big', 'medium' or 'little'",
                         std::invalid_argument);
}

TEST_CASE("this machine's topology agrees with its scheduler") {
    const CpuTopology topology = CpuTopology::read();
    CHECK(topology.allowed() == current_thread_cpus());
    CHECK(topology.online().includes(topology.allowed()));
    CHECK(topology.allowed().includes(topology.select()));
    CHECK(topology.default_threads(topology.select()) >= 1);
}
