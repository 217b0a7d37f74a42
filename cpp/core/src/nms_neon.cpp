#include <arm_neon.h>

#include "nms_kernels.h"

namespace yolo_edge {
namespace {

// NEON's own max and min return NaN when one number is; these do as the comparisons of the scalar version.
float32x4_t larger(float32x4_t a, float32x4_t b) {
    return vbslq_f32(vcltq_f32(a, b), b, a);
}
float32x4_t smaller(float32x4_t a, float32x4_t b) {
    return vbslq_f32(vcltq_f32(b, a), b, a);
}

bool any(uint32x4_t lanes) {
#ifdef __aarch64__
    return vmaxvq_u32(lanes) != 0;
#else
    const uint32x2_t both = vorr_u32(vget_low_u32(lanes), vget_high_u32(lanes));
    return vget_lane_u64(vreinterpret_u64_u32(both), 0) != 0;
#endif
}

/// Whether intersection / (areas - intersection) is greater than `iou` in one lane.
bool any_above(float32x4_t intersection, float32x4_t areas, float iou) {
#ifdef __aarch64__
    const float32x4_t ratio = vdivq_f32(intersection, vsubq_f32(areas, intersection));
    return any(vcgtq_f32(ratio, vdupq_n_f32(iou)));
#else
    // 32-bit NEON cannot divide, and its reciprocals are not exact.
    float part[4];
    float whole[4];
    vst1q_f32(part, intersection);
    vst1q_f32(whole, vsubq_f32(areas, intersection));
    for (int i = 0; i < 4; ++i) {
        if (part[i] / whole[i] > iou) return true;
    }
    return false;
#endif
}

/// On 32-bit ARM, whose NEON takes subnormal numbers for 0, boxes that share less than 1.2e-38 square pixels
/// do not meet; that alone differs from the scalar version.
bool suppressed(const float* box, float area, const KeptBlock* blocks, int first, float iou) {
    const float32x4_t x0 = vdupq_n_f32(box[0]);
    const float32x4_t y0 = vdupq_n_f32(box[1]);
    const float32x4_t x1 = vdupq_n_f32(box[2]);
    const float32x4_t y1 = vdupq_n_f32(box[3]);
    const float32x4_t zero = vdupq_n_f32(0.0F);
    for (int b = first; b >= 0; b = blocks[b].next) {
        const KeptBlock& block = blocks[b];
        for (int i = 0; i < 8; i += 4) {
            const float32x4_t right = smaller(x1, vld1q_f32(block.x1 + i));
            const float32x4_t bottom = smaller(y1, vld1q_f32(block.y1 + i));
            const float32x4_t width = larger(zero, vsubq_f32(right, larger(x0, vld1q_f32(block.x0 + i))));
            const float32x4_t height = larger(zero, vsubq_f32(bottom, larger(y0, vld1q_f32(block.y0 + i))));
            const float32x4_t intersection = vmulq_f32(width, height);
            // Most pairs do not meet, and a division is slow.
            if (!any(vmvnq_u32(vceqq_f32(intersection, zero)))) continue;
            const float32x4_t areas = vaddq_f32(vld1q_f32(block.area + i), vdupq_n_f32(area));
            if (any_above(intersection, areas, iou)) return true;
        }
    }
    return false;
}

}  // namespace

const NmsKernels nms_kernels_neon = {suppressed};

}  // namespace yolo_edge
