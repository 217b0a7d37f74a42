#include "engines/openmp_team.h"

#include <dirent.h>
#include <doctest/doctest.h>
#include <sched.h>

#include <array>
#include <atomic>
#include <chrono>
#include <ctime>
#include <thread>
#include <vector>

// What ncnn's library calls, under the names that cmake/ncnn.cmake gives them.
extern "C" {
void yolo_edge_GOMP_parallel(void (*loop)(void*), void* data, unsigned threads, unsigned flags);
int yolo_edge_omp_get_num_threads();
int yolo_edge_omp_get_thread_num();
}

namespace {

constexpr std::size_t most = 8;

/// What each place of a team did.
struct Seen {
    std::array<std::atomic<int>, most> calls{};
    std::array<std::atomic<int>, most> sizes{};
    std::array<std::atomic<int>, most> nested{};
    std::array<cpu_set_t, most> cpus{};
};

void look(void* data) {
    Seen& seen = *static_cast<Seen*>(data);
    const auto place = static_cast<std::size_t>(yolo_edge_omp_get_thread_num());
    REQUIRE(place < most);
    ++seen.calls[place];
    seen.sizes[place] = yolo_edge_omp_get_num_threads();
    sched_getaffinity(0, sizeof(cpu_set_t), &seen.cpus[place]);
    const auto inner = [](void* count) {
        if (yolo_edge_omp_get_num_threads() == 1 && yolo_edge_omp_get_thread_num() == 0) {
            ++*static_cast<std::atomic<int>*>(count);
        }
    };
    if (yolo_edge_omp_get_num_threads() > 1) yolo_edge_GOMP_parallel(inner, &seen.nested[place], 4, 0);
}

void check(unsigned threads, int loops) {
    Seen seen;
    for (int i = 0; i < loops; ++i) yolo_edge_GOMP_parallel(look, &seen, threads, 0);
    const auto size = static_cast<int>(threads == 0 ? 1 : threads);
    for (std::size_t place = 0; place < most; ++place) {
        const bool in_team = place < static_cast<std::size_t>(size);
        CHECK(seen.calls[place] == (in_team ? loops : 0));
        CHECK(seen.sizes[place] == (in_team ? size : 0));
        // A loop inside a loop is one thread's.
        CHECK(seen.nested[place] == (in_team && size > 1 ? loops : 0));
    }
    CHECK(yolo_edge_omp_get_num_threads() == 1);
    CHECK(yolo_edge_omp_get_thread_num() == 0);
}

std::size_t threads_of_process() {
    std::size_t count = 0;
    DIR* folder = opendir("/proc/self/task");
    REQUIRE(folder != nullptr);
    while (const dirent* entry = readdir(folder)) count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

double cpu_seconds() {
    return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

}  // namespace

TEST_CASE("every place of a team runs each loop once, whatever size the loops before had") {
    for (const unsigned threads : {1U, 2U, 2U, 4U, 3U, 8U, 1U, 0U, 2U}) check(threads, 200);
}

TEST_CASE("threads have teams of their own, which end with them") {
    check(1, 1);
    const std::size_t before = threads_of_process();
    std::vector<std::thread> callers;
    for (unsigned size = 1; size <= 4; ++size) {
        callers.emplace_back([size] {
            yolo_edge::start_openmp_team(static_cast<int>(size));
            check(size, 500);
        });
    }
    for (std::thread& caller : callers) caller.join();
    // The kernel lists a thread a little longer than joining it takes.
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (threads_of_process() > before && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    CHECK(threads_of_process() <= before);
}

TEST_CASE("a team has the CPUs of the thread that it was made by") {
    cpu_set_t allowed;
    REQUIRE(sched_getaffinity(0, sizeof allowed, &allowed) == 0);
    std::thread([&allowed] {
        int last = 0;
        for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
            if (CPU_ISSET(cpu, &allowed)) last = cpu;
        }
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(last, &one);
        REQUIRE(sched_setaffinity(0, sizeof one, &one) == 0);
        Seen seen;
        yolo_edge_GOMP_parallel(look, &seen, 3, 0);
        for (std::size_t place = 0; place < 3; ++place) CHECK(CPU_EQUAL(&seen.cpus[place], &one));
    }).join();
}

TEST_CASE("a team without work takes no CPU") {
    Seen seen;
    yolo_edge_GOMP_parallel(look, &seen, 4, 0);
    const double before = cpu_seconds();
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    CHECK(cpu_seconds() - before < 0.05);
}
