#include "yolo_edge/detector.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "by_hand.h"
#include "tiny_model.h"
#include "yolo_edge/thread_affinity.h"

namespace yolo_edge {
namespace {

using testing::by_hand;
using testing::check_equal;
using testing::Picture;
using testing::TinyModel;

DetectorOptions on_one_cpu() {
    DetectorOptions options;
    options.cpu.threads = 1;
    options.cpu.affinity = CpuSet{*current_thread_cpus().begin()};
    return options;
}

TEST_CASE("a detector finds what the steps find one by one") {
    const TinyModel model;
    Detector detector(model.folder(), on_one_cpu());
    DetectOptions options;
    options.conf = 0.1F;
    Detections found;
    // Sizes change back and forth: the slots' memory grows and is used again.
    for (const auto& [height, width] : {std::pair{40, 64}, {64, 64}, {9, 200}, {200, 9}, {1, 1}, {40, 64}}) {
        CAPTURE(height);
        const Picture picture(height, width, static_cast<unsigned>(height));
        detector.detect(picture.view(), options, found);
        check_equal(found.boxes, by_hand(model, picture, options));
        CHECK(found.times.engine_to >= found.times.engine_from);
    }
    options.classes = {1};
    for (const Proposal& box : detector.detect(Picture(64, 64, 3).view(), options).boxes)
        CHECK(box.class_id == 1);
}

TEST_CASE("a detector serves several threads at once") {
    const TinyModel model;
    Detector detector(model.folder(), on_one_cpu());
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

TEST_CASE("the letterbox of one image overlaps the inference of another") {
    const TinyModel model;
    Detector detector(model.folder(), on_one_cpu());
    Pipeline& pipeline = detector.pipeline();
    const Picture first(64, 64, 1);
    const Picture second(32, 64, 2);
    const Pipeline::Job a = pipeline.start(first.view());
    const auto b = pipeline.try_start(second.view());
    REQUIRE(b);
    CHECK(a.slot->input != b->slot->input);
    CHECK_FALSE(pipeline.try_start(first.view()));  // two slots
    DetectOptions options;
    options.conf = 0.1F;
    Detections found;
    pipeline.finish(*b, options, found);
    check_equal(found.boxes, by_hand(model, second, options));
    pipeline.finish(a, options, found);
    check_equal(found.boxes, by_hand(model, first, options));
}

TEST_CASE("a bad image or option gives the slot back") {
    const TinyModel model;
    Detector detector(model.folder(), on_one_cpu());
    const Picture picture(64, 64, 1);
    DetectOptions bad;
    bad.conf = 2.0F;
    for (int i = 0; i < 5; ++i) {
        CHECK_THROWS_AS(detector.detect(picture.view(), bad), std::invalid_argument);
        CHECK_THROWS_AS(detector.detect(ImageView{nullptr, 64, 64, 192, ChannelOrder::bgr}),
                        std::invalid_argument);
        CHECK_THROWS_AS(detector.detect(ImageView{}), std::invalid_argument);
    }
    CHECK_NOTHROW(detector.detect(picture.view()));
}

TEST_CASE("the engine's thread is bound, the caller's is not") {
    const CpuSet mine = current_thread_cpus();
    const TinyModel model;
    Detector detector(model.folder(), on_one_cpu());
    CHECK(detector.engine().bound_cpus() == CpuSet{*mine.begin()});
    CHECK(detector.engine().threads() == 1);
    CHECK(current_thread_cpus() == mine);
}

TEST_CASE("closing waits for whoever uses a slot, and later callers are told") {
    const TinyModel model;
    Detector detector(model.folder(), on_one_cpu());
    const Picture picture(64, 64, 1);
    const Pipeline::Job job = detector.pipeline().start(picture.view());
    std::atomic<bool> closed = false;
    std::thread closer([&] {
        detector.close();
        closed = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    CHECK_FALSE(closed);
    Detections found;
    detector.pipeline().finish(job, {}, found);
    closer.join();
    CHECK_THROWS_WITH_AS(detector.detect(picture.view()), "the engine was closed", EngineError);
    CHECK_NOTHROW(detector.close());
}

TEST_CASE("fixed shapes: the one that shows the image largest") {
    TinyModel model;
    model.write_manifest("in0", "out0", "[[64, 64], [32, 64], [64, 32]]");
    Detector detector(model.folder(), on_one_cpu());
    CHECK(detector.pipeline().geometry({20, 40}).tensor == SizeHW{32, 64});
    CHECK(detector.pipeline().geometry({40, 20}).tensor == SizeHW{64, 32});
    CHECK(detector.pipeline().geometry({40, 40}).tensor == SizeHW{64, 64});
}

TEST_CASE("what cannot be loaded") {
    TinyModel model;
    const auto open = [&model](const DetectorOptions& options) {
        Detector detector(model.folder(), options);
    };
    DetectorOptions options = on_one_cpu();

    options.engine = "tengine";
    CHECK_THROWS_WITH_AS(open(options), doctest::Contains("unknown engine 'tengine'"), std::invalid_argument);
    options = on_one_cpu();
    options.size = SizeHW{60, 64};
    CHECK_THROWS_WITH_AS(open(options), doctest::Contains("the nearest that are: 56, 64, 72"),
                         std::invalid_argument);
    options = on_one_cpu();
    options.letterbox = LetterboxMode::stretch;
    CHECK_THROWS_AS(open(options), std::invalid_argument);
    options = on_one_cpu();
    options.precision = "int3";
    CHECK_THROWS_WITH_AS(open(options), doctest::Contains("must be one of auto, fp32"),
                         std::invalid_argument);
    options.precision = "fp16";
    CHECK_THROWS_WITH_AS(
        open(options),
        doctest::Contains("runs in precision 'fp16'; it has: ncnn with weights fp32, verified in fp32, bf16"),
        BundleError);
    options = on_one_cpu();
    options.cpu.threads = 0;
    CHECK_THROWS_AS(open(options), std::invalid_argument);

    options = on_one_cpu();
    model.write_manifest("in0", "nothing", "\"dynamic\"");
    CHECK_THROWS_WITH_AS(open(options), doctest::Contains("has no blob nothing; it has: out0"), EngineError);
    model.write_manifest("images", "out0", "\"dynamic\"");
    CHECK_THROWS_WITH_AS(open(options), doctest::Contains("has no blob images; it has: in0"), EngineError);
    model.write("m.param", "7767517\n2 2\nInput in0 0 1 in0\nNoSuchLayer x 1 1 in0 out0\n");
    model.write_manifest("in0", "out0", "\"dynamic\"");
    CHECK_THROWS_WITH_AS(open(options), doctest::Contains("ncnn cannot load"), EngineError);
    model.write("m.param", "changed afterwards");
    CHECK_THROWS_WITH_AS(open(options), doctest::Contains("does not match the bundle"), BundleError);
}

TEST_CASE("the precision asked for is the one that runs") {
    const TinyModel model;
    DetectorOptions options = on_one_cpu();
    for (const std::string precision : {"fp32", "bf16"}) {
        options.precision = precision;
        Detector detector(model.folder(), options);
        CHECK(detector.engine().precision() == precision);
        CHECK_NOTHROW(detector.detect(Picture(64, 64, 1).view()));
    }
    options.precision = "auto";
    CHECK(Detector(model.folder(), options).engine().precision() ==
          "fp32");  // the target has no fp16-storage
}

}  // namespace
}  // namespace yolo_edge
