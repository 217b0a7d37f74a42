// Sort, NMS and the way back to the source image on hostile boxes and scores: NaN, infinities, corners in the
// wrong order, any class. Every instruction set must keep the same boxes.

#include <stdexcept>
#include <vector>

#include "fuzz_input.h"
#include "yolo_edge/nms.h"
#include "yolo_edge/scale_boxes.h"
#include "yolo_edge/sort.h"

using namespace yolo_edge;
using yolo_edge::fuzz::FuzzInput;
using yolo_edge::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    FuzzInput input(data, size);
    NmsOptions options;
    options.iou = input.mostly_between(0.0F, 1.0F);
    options.class_agnostic = input.flag();
    options.max_detections = input.mostly_between(1, 400);
    options.max_candidates = input.mostly_between(1, 1000);
    const int classes = input.between(0, 3);
    // Few places: many boxes meet.
    const float side = input.flag() ? 8.0F : 640.0F;

    std::vector<Proposal> proposals;
    while (!input.empty()) {
        Proposal box;
        box.x0 = input.mostly_between(0.0F, side);
        box.y0 = input.mostly_between(0.0F, side);
        box.x1 = box.x0 + input.mostly_between(-1.0F, side);
        box.y1 = box.y0 + input.mostly_between(-1.0F, side);
        box.score = input.mostly_between(0.0F, 1.0F);
        box.class_id =
            input.any<std::uint8_t>() == 0 ? input.mostly_between(0, 65535) : input.between(0, classes);
        proposals.push_back(box);
    }

    SortBuffers sort_buffers;
    try {
        sort_descending(proposals, options.max_candidates, sort_buffers);
    } catch (const std::invalid_argument&) {
        return 0;
    }
    for (std::size_t i = 1; i < proposals.size(); ++i)
        require(!(proposals[i - 1].score < proposals[i].score));

    NmsBuffers buffers;
    std::vector<int> expected;
    std::vector<int> kept;
    for (const SimdLevel level : simd_levels()) {
        try {
            nms_sorted(proposals, options, buffers, kept, level);
        } catch (const std::invalid_argument&) {
            return 0;
        }
        if (level == SimdLevel::scalar) expected = kept;
        require(kept == expected);
    }
    require(kept.size() <= static_cast<std::size_t>(options.max_detections));

    LetterboxOptions fit;
    fit.size = {640, 640};
    const LetterboxGeometry geometry = letterbox_geometry({480, 333}, fit);
    scale_boxes(proposals, geometry);
    for (const Proposal& box : proposals) {
        require(!(box.x0 < 0 || box.y0 < 0 || box.x1 < 0 || box.y1 < 0));
        require(!(box.x0 > 333 || box.y0 > 480 || box.x1 > 333 || box.y1 > 480));
    }
    return 0;
}
