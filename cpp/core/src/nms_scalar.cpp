#include "nms_kernels.h"

namespace yolo_edge {
namespace {

// Written out for what they do with NaN; the SIMD versions do the same.
float larger(float a, float b) {
    return a < b ? b : a;
}
float smaller(float a, float b) {
    return b < a ? b : a;
}

bool suppressed(const float* box, float area, const KeptBlock* blocks, int first, float iou) {
    for (int b = first; b >= 0; b = blocks[b].next) {
        const KeptBlock& block = blocks[b];
        for (int i = 0; i < block.count; ++i) {
            const float width = larger(0.0F, smaller(box[2], block.x1[i]) - larger(box[0], block.x0[i]));
            const float height = larger(0.0F, smaller(box[3], block.y1[i]) - larger(box[1], block.y0[i]));
            const float intersection = width * height;
            if (intersection / (block.area[i] + area - intersection) > iou) return true;
        }
    }
    return false;
}

}  // namespace

const NmsKernels nms_kernels_scalar = {suppressed};

}  // namespace yolo_edge
