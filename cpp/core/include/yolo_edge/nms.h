#pragma once

#include <memory>
#include <vector>

#include "yolo_edge/proposals.h"
#include "yolo_edge/simd.h"

namespace yolo_edge {

struct NmsOptions {
    float iou = 0.45F;            ///< Suppress a box whose IoU with a kept one is greater than this; 0..1.
    bool class_agnostic = false;  ///< true: boxes of different classes suppress each other too.
    int max_detections = 300;     ///< Stop after this many kept boxes.
    int max_candidates = 30000;  ///< How many boxes enter NMS at most (see sort_descending); bounds the time.
};

/// Working memory of nms_sorted; keep it between calls and nothing is allocated once it has grown.
class NmsBuffers {
  public:
    NmsBuffers();
    ~NmsBuffers();
    NmsBuffers(NmsBuffers&&) noexcept;
    NmsBuffers& operator=(NmsBuffers&&) noexcept;

    struct Chains;
    Chains& chains() { return *chains_; }

  private:
    std::unique_ptr<Chains> chains_;
};

/// Greedy non-maximum suppression over proposals sorted by falling score; writes the indices kept, in order.
///
/// IoU as torchvision computes it, in float: intersection / (area + area - intersection), and 0/0 never
/// suppresses. Classes are compared exactly; YOLOv5's offset of 7,680 px per class loses a sixteenth of a
/// pixel. `max_candidates` is not applied here.
///
/// Throws std::invalid_argument for an IoU outside 0..1, max_detections < 1 or a class id outside 0..65,535.
void nms_sorted(const std::vector<Proposal>& proposals, const NmsOptions& options, NmsBuffers& buffers,
                std::vector<int>& kept, SimdLevel simd = best_simd_level());

}  // namespace yolo_edge
