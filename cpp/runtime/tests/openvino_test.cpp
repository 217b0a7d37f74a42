#include <doctest/doctest.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "by_hand.h"
#include "tiny_model.h"
#include "yolo_edge/detector.h"
#include "yolo_edge/thread_affinity.h"

namespace yolo_edge {
namespace {

using testing::by_hand;
using testing::check_equal;
using testing::Picture;
using testing::TinyModel;

DetectorOptions openvino_on(const CpuSet& cpus, int threads) {
    DetectorOptions options;
    options.engine = "openvino";
    options.cpu.affinity = cpus;
    options.cpu.threads = threads;
    return options;
}

CpuSet first_cpu() {
    return {*current_thread_cpus().begin()};
}

CpuSet last_cpu() {
    CpuSet last;
    for (const int cpu : current_thread_cpus()) last = {cpu};
    return last;
}

std::set<int> threads_of_process() {
    std::set<int> result;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task"))
        result.insert(std::stoi(entry.path().filename().string()));
    return result;
}

double processor_seconds() {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

TEST_CASE("openvino finds what the steps find one by one") {
    const TinyModel model("openvino");
    Detector detector(model.folder(), openvino_on(first_cpu(), 1));
    CHECK(detector.engine().name() == "openvino");
    CHECK(detector.engine().precision() == "fp32");
    DetectOptions options;
    options.conf = 0.1F;
    Detections found;
    for (const auto& [height, width] : {std::pair{40, 64}, {64, 64}, {9, 200}, {200, 9}, {1, 1}, {40, 64}}) {
        CAPTURE(height);
        const Picture picture(height, width, static_cast<unsigned>(height));
        detector.detect(picture.view(), options, found);
        check_equal(found.boxes, by_hand(model, picture, options));
    }
}

TEST_CASE("openvino: the outputs of one slot stay while another is being computed") {
    const TinyModel model("openvino");
    Detector detector(model.folder(), openvino_on(first_cpu(), 1));
    Pipeline& pipeline = detector.pipeline();
    const Picture first(64, 64, 1);
    const Picture second(64, 64, 2);
    const Pipeline::Job a = pipeline.start(first.view());
    const auto b = pipeline.try_start(second.view());
    REQUIRE(b);
    DetectOptions options;
    options.conf = 0.1F;
    Detections found;
    pipeline.finish(*b, options, found);
    check_equal(found.boxes, by_hand(model, second, options));
    pipeline.finish(a, options, found);
    check_equal(found.boxes, by_hand(model, first, options));
}

TEST_CASE("openvino: every thread stays on its CPUs while it computes, and idle ones use none") {
    const CpuSet mine = current_thread_cpus();
    for (const CpuSet& cpus : {first_cpu(), last_cpu()}) {
        const std::set<int> before = threads_of_process();
        const TinyModel model("openvino");
        DetectorOptions options = openvino_on(cpus, 2);
        options.size = SizeHW{640, 640};
        Detector detector(model.folder(), options);
        CHECK(std::getenv("HWLOC_THISSYSTEM") == nullptr);
        const Picture picture(640, 640, 1);
        for (int i = 0; i < 3; ++i) detector.detect(picture.view());
        std::vector<int> ours;
        for (const int thread : threads_of_process()) {
            if (before.count(thread) == 0) ours.push_back(thread);
        }
        REQUIRE_FALSE(ours.empty());

        std::atomic<bool> done = false;
        std::thread user([&] {
            for (int i = 0; i < 20; ++i) detector.detect(picture.view());
            done = true;
        });
        CpuSet seen;
        int looks = 0;
        while (!done) {
            for (const int thread : ours) seen = seen | thread_cpus(thread);
            ++looks;
        }
        user.join();
        CHECK(looks > 100);
        CHECK(seen == cpus);
        CHECK(detector.engine().bound_cpus() == cpus);
        CHECK(current_thread_cpus() == mine);

        const double used = processor_seconds();
        std::this_thread::sleep_for(std::chrono::seconds(1));
        CHECK(processor_seconds() - used < 0.05);
    }
}

TEST_CASE("openvino: engines of several threads share their CPUs") {
    if (current_thread_cpus().size() < 2) return;
    const TinyModel model("openvino");
    Detector detector(model.folder(), openvino_on(first_cpu(), 2));
    CHECK_NOTHROW(Detector(model.folder(), openvino_on(first_cpu(), 2)));
    CHECK_NOTHROW(Detector(model.folder(), openvino_on(last_cpu(), 1)));
    CHECK_THROWS_WITH_AS(Detector(model.folder(), openvino_on(last_cpu(), 2)),
                         doctest::Contains("an engine of 2 threads cannot have CPUs"), EngineError);
    detector.close();
    CHECK_NOTHROW(Detector(model.folder(), openvino_on(last_cpu(), 2)));
}

TEST_CASE("openvino: what cannot be loaded or run") {
    TinyModel model("openvino");
    const auto open = [&model](const std::string& precision = "auto") {
        DetectorOptions options = openvino_on(first_cpu(), 1);
        options.precision = precision;
        Detector detector(model.folder(), options);
    };
    CHECK_NOTHROW(open("fp32"));
    CHECK_THROWS_WITH_AS(open("bf16"), doctest::Contains("'openvino' has no precision 'bf16'; it has: fp32"),
                         std::invalid_argument);
    model.write_manifest("in0", "nothing", "\"dynamic\"");
    CHECK_THROWS_WITH_AS(open(), doctest::Contains("has no tensor nothing; it has: out0"), EngineError);
    model.write_manifest("images", "out0", "\"dynamic\"");
    CHECK_THROWS_WITH_AS(open(), doctest::Contains("has no tensor images; it has: in0"), EngineError);
    model.write("m.xml", "damaged");
    model.write_manifest("in0", "out0", "\"dynamic\"");
    CHECK_THROWS_WITH_AS(open(), doctest::Contains("openvino cannot load"), EngineError);
}

TEST_CASE("openvino serves several threads at once") {
    const TinyModel model("openvino");
    Detector detector(model.folder(), openvino_on(first_cpu(), 1));
    DetectOptions options;
    options.conf = 0.1F;
    std::vector<std::thread> threads;
    std::atomic<int> wrong = 0;
    for (unsigned t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            const Picture picture(30 + 8 * static_cast<int>(t), 64, t);
            const std::size_t expected = by_hand(model, picture, options).size();
            for (int i = 0; i < 25; ++i) {
                if (detector.detect(picture.view(), options).boxes.size() != expected) ++wrong;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(wrong == 0);
}

}  // namespace
}  // namespace yolo_edge
