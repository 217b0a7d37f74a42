#include "yolo_edge/letterbox_geometry.h"

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

using namespace yolo_edge;

namespace {

LetterboxOptions options(SizeHW size, LetterboxMode mode = LetterboxMode::rect, bool scale_up = true) {
    LetterboxOptions result;
    result.size = size;
    result.mode = mode;
    result.scale_up = scale_up;
    return result;
}

}  // namespace

TEST_CASE("letterbox_geometry places images as YOLOv5 does") {
    struct Case {
        std::string name;
        SizeHW source;
        LetterboxOptions options;
        SizeHW tensor;
        SizeHW resized;
        int top, left, bottom, right;
    };
    using M = LetterboxMode;
    const Case cases[] = {
        {"16:9 in a rectangle", {720, 1280}, options({640, 640}), {384, 640}, {360, 640}, 12, 0, 12, 0},
        {"16:9 in a square",
         {720, 1280},
         options({640, 640}, M::square),
         {640, 640},
         {360, 640},
         140,
         0,
         140,
         0},
        {"16:9 stretched", {720, 1280}, options({640, 640}, M::stretch), {640, 640}, {640, 640}, 0, 0, 0, 0},
        {"portrait", {1280, 720}, options({640, 640}), {640, 384}, {640, 360}, 0, 12, 0, 12},
        {"odd padding goes below", {427, 640}, options({640, 640}), {448, 640}, {427, 640}, 10, 0, 11, 0},
        {"half to even, down", {721, 1280}, options({640, 640}), {384, 640}, {360, 640}, 12, 0, 12, 0},
        {"half to even, up", {723, 1280}, options({640, 640}), {384, 640}, {362, 640}, 11, 0, 11, 0},
        {"upscaled", {100, 100}, options({640, 640}), {640, 640}, {640, 640}, 0, 0, 0, 0},
        {"not upscaled",
         {100, 100},
         options({640, 640}, M::rect, false),
         {128, 128},
         {100, 100},
         14,
         14,
         14,
         14},
        {"oblong size", {480, 640}, options({320, 416}), {320, 416}, {312, 416}, 4, 0, 4, 0},
        {"no side below one pixel", {1, 4000}, options({640, 640}), {32, 640}, {1, 640}, 15, 0, 16, 0},
        {"one pixel", {1, 1}, options({64, 64}), {64, 64}, {64, 64}, 0, 0, 0, 0},
    };
    for (const Case& c : cases) {
        CAPTURE(c.name);
        const LetterboxGeometry g = letterbox_geometry(c.source, c.options);
        CHECK(g.source == c.source);
        CHECK(g.mode == c.options.mode);
        CHECK(g.tensor.height == c.tensor.height);
        CHECK(g.tensor.width == c.tensor.width);
        CHECK(g.resized.height == c.resized.height);
        CHECK(g.resized.width == c.resized.width);
        CHECK(g.top == c.top);
        CHECK(g.left == c.left);
        CHECK(g.bottom == c.bottom);
        CHECK(g.right == c.right);
    }
}

TEST_CASE("letterbox_geometry adds up for every source size") {
    for (const LetterboxMode mode : {LetterboxMode::rect, LetterboxMode::square, LetterboxMode::stretch}) {
        for (int height = 1; height < 700; height += 13) {
            for (int width = 1; width < 700; width += 11) {
                const LetterboxGeometry g = letterbox_geometry({height, width}, options({320, 416}, mode));
                REQUIRE(g.top + g.resized.height + g.bottom == g.tensor.height);
                REQUIRE(g.left + g.resized.width + g.right == g.tensor.width);
                REQUIRE(g.tensor.height % 32 == 0);
                REQUIRE(g.tensor.width % 32 == 0);
                REQUIRE(g.bottom - g.top <= 1);
                REQUIRE(g.right - g.left <= 1);
            }
        }
    }
}

TEST_CASE("letterbox_geometry refuses impossible sizes") {
    const auto error = [](SizeHW source, LetterboxOptions o) { letterbox_geometry(source, o); };
    LetterboxOptions no_stride = options({640, 640});
    no_stride.stride = 0;
    CHECK_THROWS_WITH_AS(error({0, 10}, options({640, 640})),
                         "source_hw is (0, 10); both sides must be 1..32768", std::invalid_argument);
    CHECK_THROWS_WITH_AS(error({10, 10}, options({640, 40000})),
                         "size_hw is (640, 40000); both sides must be 1..32768", std::invalid_argument);
    CHECK_THROWS_WITH_AS(error({10, 10}, no_stride), "stride is 0; it must be at least 1",
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(error({10, 10}, options({640, 600})),
                         "size_hw is (640, 600); rect mode needs multiples of the stride, 32",
                         std::invalid_argument);
    CHECK_NOTHROW(error({10, 10}, options({640, 600}, LetterboxMode::square)));
}
