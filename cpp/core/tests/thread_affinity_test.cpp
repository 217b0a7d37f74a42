#include "yolo_edge/thread_affinity.h"

#include <doctest/doctest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <future>
#include <stdexcept>
#include <thread>

using namespace yolo_edge;

namespace {

/// Runs `work` on a thread of its own, so that the test's thread keeps its CPUs whatever happens.
template <typename Work>
auto on_a_thread(Work work) {
    return std::async(std::launch::async, work).get();
}

}  // namespace

TEST_CASE("a thread is bound, and only that thread") {
    const CpuSet before = current_thread_cpus();
    REQUIRE_FALSE(before.empty());
    for (const int cpu : before) {
        const CpuSet one = {cpu};
        CHECK(on_a_thread([&] {
                  bind_current_thread(one);
                  return current_thread_cpus();
              }) == one);
    }
    CHECK(current_thread_cpus() == before);
}

TEST_CASE("threads inherit the binding and others can read it") {
    const CpuSet one = {*current_thread_cpus().begin()};
    CHECK(on_a_thread([&] {
              bind_current_thread(one);
              return on_a_thread([] { return thread_cpus(static_cast<int>(syscall(SYS_gettid))); });
          }) == one);
}

TEST_CASE("ScopedAffinity gives the earlier CPUs back, also after an exception") {
    const CpuSet before = current_thread_cpus();
    const CpuSet one = {*before.begin()};
    {
        const ScopedAffinity bound(one);
        CHECK(current_thread_cpus() == one);
    }
    CHECK(current_thread_cpus() == before);
    try {
        const ScopedAffinity bound(one);
        throw std::logic_error("any");
    } catch (const std::logic_error&) {
    }
    CHECK(current_thread_cpus() == before);
}

TEST_CASE("a binding that the kernel does not honour is an error and changes nothing") {
    const CpuSet before = current_thread_cpus();
    CHECK_THROWS_WITH_AS(bind_current_thread(CpuSet()), "cpus is empty; a thread needs at least one CPU",
                         std::invalid_argument);
    // The kernel refuses a mask of none of its CPUs, and drops CPUs that it lacks from any other.
    const CpuSet absent = {CpuSet::limit - 1};
    REQUIRE_FALSE(before.contains(CpuSet::limit - 1));
    CHECK_THROWS_WITH_AS(
        bind_current_thread(absent),
        ("cannot bind the thread to CPUs 8191: Invalid argument; it runs on " + before.to_list()).c_str(),
        std::runtime_error);
    const CpuSet one = {*before.begin()};
    CHECK_THROWS_WITH_AS(
        bind_current_thread(one | absent),
        ("asked to bind the thread to CPUs " + (one | absent).to_list() + ", the kernel bound it to " +
         one.to_list() + " (the others are offline or outside the cpuset); it runs on " + before.to_list() +
         " again")
            .c_str(),
        std::runtime_error);
    CHECK_THROWS_AS(ScopedAffinity{absent}, std::runtime_error);
    CHECK(current_thread_cpus() == before);
}

TEST_CASE("another thread of the process is bound, this one is not") {
    const CpuSet before = current_thread_cpus();
    const CpuSet one = {*before.begin()};
    std::promise<int> tid;
    std::promise<void> end;
    std::thread other([&] {
        tid.set_value(static_cast<int>(syscall(SYS_gettid)));
        end.get_future().wait();
    });
    const int thread = tid.get_future().get();
    CHECK(bind_thread(thread, one));
    CHECK(thread_cpus(thread) == one);
    CHECK(current_thread_cpus() == before);
    CHECK_THROWS_AS(bind_thread(thread, CpuSet()), std::invalid_argument);
    CHECK_THROWS_AS(bind_thread(thread, CpuSet{CpuSet::limit - 1}), std::runtime_error);
    CHECK(thread_cpus(thread) == one);
    end.set_value();
    other.join();
    CHECK_THROWS_AS(bind_thread(0, one), std::invalid_argument);
    CHECK_FALSE(bind_thread(2'000'000'000, one));
}

TEST_CASE("a thread that does not exist is an error") {
    CHECK_THROWS_WITH_AS(thread_cpus(-1), "tid is -1; it must be 0 (the calling thread) or a thread's id",
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(thread_cpus(2'000'000'000),
                         "cannot read the CPUs of thread 2000000000: No such process", std::runtime_error);
}
