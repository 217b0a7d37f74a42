// As tests/runtime/test_cpu_plan.py.
#include "yolo_edge/cpu_plan.h"

#include <doctest/doctest.h>

#include <optional>
#include <stdexcept>

#include "fake_tree.h"

using namespace yolo_edge;
using yolo_edge::testing::FakeTree;

namespace {

void write_rk3588(const FakeTree& tree) {
    tree.write_online("0-7");
    for (int cpu = 0; cpu < 8; ++cpu) {
        tree.write_cpu(cpu, "cpu_capacity", cpu < 4 ? "397" : cpu < 6 ? "983" : "1024");
    }
}

CpuTopology rk3588(const char* allowed = "0-7") {
    const FakeTree tree;
    write_rk3588(tree);
    return CpuTopology::read(tree.root(), CpuSet::parse(allowed));
}

CpuChoice choice(std::optional<int> threads, std::optional<CpuCluster> cluster = std::nullopt,
                 std::optional<CpuSet> affinity = std::nullopt) {
    return {threads, cluster, std::move(affinity)};
}

}  // namespace

TEST_CASE("by default the big cores compute and the others capture") {
    const CpuPlan plan = plan_cpus({}, rk3588());
    CHECK(plan.engine_cpus == CpuSet::parse("4-7"));
    CHECK(plan.threads == 4);
    CHECK(plan.other_cpus == CpuSet::parse("0-3"));
    CHECK(plan.warning.empty());
}

TEST_CASE("threads, a cluster or CPUs are chosen") {
    struct Case {
        CpuChoice choice;
        const char* allowed;
        const char* engine_cpus;
        int threads;
        const char* other_cpus;
    };
    const Case cases[] = {
        {choice(2, CpuCluster::little), "0-7", "0-3", 2, "4-7"},
        {choice(std::nullopt, CpuCluster::all), "0-7", "0-7", 8, "0-7"},  // none is left
        {choice(std::nullopt, std::nullopt, CpuSet{4, 6}), "0-7", "4,6", 2, "0-3,5,7"},
        {choice(1, std::nullopt, CpuSet::parse("0xf0")), "0-7", "4-7", 1, "0-3"},
        {choice(std::nullopt), "1-2", "1-2", 2, "1-2"},
        {choice(std::nullopt, CpuCluster::big), "3-4", "4", 1, "3"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.engine_cpus);
        const CpuPlan plan = plan_cpus(c.choice, rk3588(c.allowed));
        CHECK(plan.engine_cpus.to_list() == c.engine_cpus);
        CHECK(plan.threads == c.threads);
        CHECK(plan.other_cpus.to_list() == c.other_cpus);
        CHECK(plan.warning.empty());
    }
}

TEST_CASE("what the machine cannot do is refused") {
    const CpuTopology topology = rk3588("0-5");
    CHECK_THROWS_WITH_AS(plan_cpus(choice(std::nullopt, CpuCluster::big, CpuSet{1}), topology),
                         "both cluster big and affinity 1 were given; choose one", std::invalid_argument);
    CHECK_THROWS_WITH_AS(plan_cpus(choice(0), topology),
                         "threads is 0; it must be a whole number of at least 1", std::invalid_argument);
    CHECK_THROWS_WITH_AS(plan_cpus(choice(-3), topology),
                         "threads is -3; it must be a whole number of at least 1", std::invalid_argument);
    CHECK_THROWS_AS(plan_cpus(choice(1, CpuCluster::medium), topology), std::invalid_argument);
    CHECK_THROWS_AS(plan_cpus(choice(1, std::nullopt, CpuSet{6}), topology), std::invalid_argument);
    CHECK_THROWS_AS(plan_cpus(choice(1, std::nullopt, CpuSet()), topology), std::invalid_argument);
}

TEST_CASE("more threads than CPUs run with a warning") {
    const CpuPlan plan = plan_cpus(choice(5), rk3588());
    CHECK(plan.threads == 5);
    CHECK(plan.warning == "5 threads on 4 CPUs (4-7) wait for each other; fewer threads are faster");
}

TEST_CASE("a CPU quota limits the threads that nobody chose") {
    const FakeTree tree;
    write_rk3588(tree);
    tree.write("proc/self/cgroup", "0::/box\n");
    tree.write("sys/fs/cgroup/box/cpu.max", "150000 100000\n");
    const CpuTopology topology = CpuTopology::read(tree.root(), CpuSet::parse("0-7"));
    CHECK(plan_cpus({}, topology).threads == 2);
    CHECK(plan_cpus(choice(4), topology).threads == 4);
}

TEST_CASE("this machine has a plan") {
    const CpuPlan plan = plan_cpus({});
    CHECK_FALSE(plan.engine_cpus.empty());
    CHECK(plan.threads >= 1);
    CHECK_FALSE(plan.other_cpus.empty());
}
