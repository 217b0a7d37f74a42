#include "yolo_edge/nms.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>

#include "random.h"

using namespace yolo_edge;
using yolo_edge::testing::Random;

namespace {

/// What every instruction set keeps.
std::vector<int> nms(const std::vector<Proposal>& proposals, const NmsOptions& options = {}) {
    NmsBuffers buffers;
    std::vector<int> kept;
    nms_sorted(proposals, options, buffers, kept, SimdLevel::scalar);
    for (const SimdLevel simd : simd_levels()) {
        CAPTURE(name_of(simd));
        std::vector<int> same;
        nms_sorted(proposals, options, buffers, same, simd);
        CHECK(same == kept);
    }
    return kept;
}

float naive_iou(const Proposal& a, const Proposal& b) {
    const float width = std::max(0.0F, std::min(a.x1, b.x1) - std::max(a.x0, b.x0));
    const float height = std::max(0.0F, std::min(a.y1, b.y1) - std::max(a.y0, b.y0));
    const float area_a = (a.x1 - a.x0) * (a.y1 - a.y0);
    const float area_b = (b.x1 - b.x0) * (b.y1 - b.y0);
    return width * height / (area_a + area_b - width * height);
}

std::vector<int> naive_nms(const std::vector<Proposal>& proposals, const NmsOptions& options) {
    std::vector<int> kept;
    for (std::size_t i = 0; i < proposals.size(); ++i) {
        bool suppressed = false;
        for (const int k : kept) {
            const Proposal& other = proposals[static_cast<std::size_t>(k)];
            const bool rivals = options.class_agnostic || other.class_id == proposals[i].class_id;
            if (rivals && naive_iou(other, proposals[i]) > options.iou) suppressed = true;
        }
        if (!suppressed) kept.push_back(static_cast<int>(i));
        if (kept.size() == static_cast<std::size_t>(options.max_detections)) break;
    }
    return kept;
}

}  // namespace

TEST_CASE("nms_sorted on pairs of boxes") {
    struct Case {
        std::string name;
        Proposal second;
        bool both;
    };
    // The first box is always (0, 0, 10, 10), class 0; the threshold 0.45.
    const float infinity = std::numeric_limits<float>::infinity();
    const float not_a_number = std::numeric_limits<float>::quiet_NaN();
    const Case cases[] = {
        {"the same box", {0, 0, 10, 10, 0.5F, 0}, false},
        {"the same box of another class", {0, 0, 10, 10, 0.5F, 1}, true},
        {"disjoint", {20, 20, 30, 30, 0.5F, 0}, true},
        {"touching sides", {10, 0, 20, 10, 0.5F, 0}, true},
        {"touching corners", {10, 10, 20, 20, 0.5F, 0}, true},
        {"nested, IoU 0.25", {2, 2, 7, 7, 0.5F, 0}, true},
        {"nested, IoU 0.64", {1, 1, 9, 9, 0.5F, 0}, false},
        {"no area, inside", {5, 5, 5, 5, 0.5F, 0}, true},
        {"no width", {5, 0, 5, 10, 0.5F, 0}, true},
        {"negative coordinates", {-5, -5, 5, 5, 0.5F, 0}, true},
        {"NaN", {not_a_number, not_a_number, not_a_number, not_a_number, 0.5F, 0}, true},
        {"infinite", {-infinity, -infinity, infinity, infinity, 0.5F, 0}, true},
    };
    for (const Case& c : cases) {
        CAPTURE(c.name);
        CHECK(nms({{0, 0, 10, 10, 0.9F, 0}, c.second}).size() == (c.both ? 2 : 1));
    }
}

TEST_CASE("nms_sorted suppresses above the threshold only") {
    // Intersection 50 of union 100: IoU exactly 0.5.
    const std::vector<Proposal> boxes = {{0, 0, 10, 10, 0.9F, 0}, {0, 0, 10, 5, 0.8F, 0}};
    NmsOptions options;
    options.iou = 0.5F;
    CHECK(nms(boxes, options) == std::vector<int>{0, 1});
    options.iou = 0.499F;
    CHECK(nms(boxes, options) == std::vector<int>{0});
    options.iou = 0.0F;
    CHECK(nms({{0, 0, 10, 10, 0.9F, 0}, {10, 0, 20, 10, 0.8F, 0}}, options) == std::vector<int>{0, 1});
}

TEST_CASE("two boxes without area do not suppress each other") {
    NmsOptions options;
    options.iou = 0.0F;
    CHECK(nms({{5, 5, 5, 5, 0.9F, 0}, {5, 5, 5, 5, 0.8F, 0}}, options) == std::vector<int>{0, 1});
}

TEST_CASE("a suppressed box suppresses nothing") {
    const std::vector<Proposal> chain = {
        {0, 0, 10, 10, 0.9F, 0}, {0, 3, 10, 13, 0.8F, 0}, {0, 6, 10, 16, 0.7F, 0}};
    CHECK(nms(chain) == std::vector<int>{0, 2});
}

TEST_CASE("nms_sorted with nothing to do, class-agnostic, and stopping") {
    CHECK(nms({}).empty());
    const std::vector<Proposal> boxes = {
        {0, 0, 10, 10, 0.9F, 0}, {0, 0, 10, 10, 0.8F, 70}, {50, 50, 60, 60, 0.7F, 3}};
    NmsOptions options;
    CHECK(nms(boxes, options) == std::vector<int>{0, 1, 2});
    options.class_agnostic = true;
    CHECK(nms(boxes, options) == std::vector<int>{0, 2});
    options.max_detections = 1;
    CHECK(nms(boxes, options) == std::vector<int>{0});
}

TEST_CASE("nms_sorted equals the naive loop") {
    Random random(1);
    for (int round = 0; round < 40; ++round) {
        std::vector<Proposal> proposals;
        const int count = random.integer(0, 400);
        for (int i = 0; i < count; ++i) {
            // Whole pixels make IoUs that hit thresholds exactly, and boxes without area.
            const auto x = static_cast<float>(random.integer(-20, 60));
            const auto y = static_cast<float>(random.integer(-20, 60));
            proposals.push_back({x, y, x + static_cast<float>(random.integer(0, 30)),
                                 y + static_cast<float>(random.integer(0, 30)),
                                 1.0F - 0.001F * static_cast<float>(i), random.integer(0, 3)});
        }
        for (const float iou : {0.0F, 0.25F, 0.45F, 0.5F, 1.0F}) {
            NmsOptions options;
            options.iou = iou;
            options.class_agnostic = round % 2 == 1;
            options.max_detections = round % 3 == 0 ? 20 : 300;
            REQUIRE(nms(proposals, options) == naive_nms(proposals, options));
        }
    }
}

TEST_CASE("nms_sorted refuses bad options and class ids") {
    NmsOptions options;
    options.iou = 1.5F;
    CHECK_THROWS_WITH_AS(nms({}, options), "iou is 1.5; it must be in 0..1", std::invalid_argument);
    options.iou = std::numeric_limits<float>::quiet_NaN();
    CHECK_THROWS_AS(nms({}, options), std::invalid_argument);
    options = {};
    options.max_detections = 0;
    CHECK_THROWS_WITH_AS(nms({}, options), "max_detections is 0; it must be at least 1",
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(nms({{0, 0, 1, 1, 0.5F, -1}}), "a class id is -1; they must be 0..65535",
                         std::invalid_argument);
    CHECK_THROWS_AS(nms({{0, 0, 1, 1, 0.5F, 65536}}), std::invalid_argument);
}
