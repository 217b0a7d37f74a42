#include "yolo_edge/scale_boxes.h"

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

using namespace yolo_edge;

namespace {

LetterboxGeometry geometry(SizeHW source, LetterboxMode mode, bool scale_up = true) {
    LetterboxOptions options;
    options.size = {640, 640};
    options.mode = mode;
    options.scale_up = scale_up;
    return letterbox_geometry(source, options);
}

Proposal scaled(Proposal box, const LetterboxGeometry& g) {
    std::vector<Proposal> boxes = {box};
    scale_boxes(boxes, g);
    return boxes[0];
}

}  // namespace

TEST_CASE("scale_boxes inverts the letterbox") {
    struct Case {
        std::string name;
        LetterboxGeometry geometry;
        Proposal tensor;
        Proposal source;
    };
    using M = LetterboxMode;
    const Case cases[] = {
        {"rect", geometry({720, 1280}, M::rect), {10, 22, 60, 112}, {20, 20, 120, 200}},
        {"square", geometry({720, 1280}, M::square), {10, 150, 60, 240}, {20, 20, 120, 200}},
        {"stretch", geometry({320, 1280}, M::stretch), {10, 20, 60, 40}, {20, 10, 120, 20}},
        {"not resized", geometry({100, 100}, M::rect, false), {24, 34, 44, 54}, {10, 20, 30, 40}},
        {"outside is clipped", geometry({720, 1280}, M::rect), {-50, -50, 700, 700}, {0, 0, 1280, 720}},
        {"wholly outside", geometry({720, 1280}, M::rect), {-50, -50, -10, -20}, {0, 0, 0, 0}},
    };
    for (const Case& c : cases) {
        CAPTURE(c.name);
        const Proposal box = scaled(c.tensor, c.geometry);
        CHECK(box.x0 == c.source.x0);
        CHECK(box.y0 == c.source.y0);
        CHECK(box.x1 == c.source.x1);
        CHECK(box.y1 == c.source.y1);
    }
}

TEST_CASE("the padding is YOLOv5's, not the rounded one") {
    // 427 rows pad to 448 as 10 above and 11 below; YOLOv5's way back takes off 10.5.
    CHECK(box_scaling(geometry({427, 640}, LetterboxMode::rect)).pad_y == 10.5F);
    // 353 * 640 / 641 = 352.4 rows need no padding, and the height decides the gain.
    const BoxScaling scaling = box_scaling(geometry({353, 641}, LetterboxMode::rect));
    CHECK(scaling.gain_y == static_cast<float>(352.0 / 353.0));
    CHECK(scaling.pad_x == static_cast<float>((640 - 641 * (352.0 / 353.0)) / 2));
}

TEST_CASE("scale_boxes accepts no boxes and refuses an empty geometry") {
    std::vector<Proposal> none;
    CHECK_NOTHROW(scale_boxes(none, geometry({10, 10}, LetterboxMode::rect)));
    CHECK_THROWS_AS(scale_boxes(none, LetterboxGeometry{}), std::invalid_argument);
}
