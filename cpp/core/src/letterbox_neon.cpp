#include <arm_neon.h>

#include <cfloat>

#include "letterbox_kernels.h"

namespace yolo_edge {
namespace {

/// One resized pixel, (channel 0, 1, 2, -), of 15 bits each. Loads the pixel, its right neighbour and two
/// bytes more.
uint16x4_t blend(const std::uint8_t* pixel, const std::int16_t* weights) {
    const uint16x8_t both = vmovl_u8(vld1_u8(pixel));
    const uint16x4_t left = vget_low_u16(both);
    const uint16x4_t right = vget_low_u16(vextq_u16(both, both, 3));
    const uint32x4_t sum = vmull_n_u16(left, static_cast<std::uint16_t>(weights[0]));
    return vshrn_n_u32(vmlal_n_u16(sum, right, static_cast<std::uint16_t>(weights[1])), 4);
}

/// Four pixels at a time, then from pixels to planes: a transposition of 4 x 4 numbers.
void horizontal(const std::uint8_t* row, const ColumnPlan& columns, int x, std::int16_t* planes,
                std::ptrdiff_t plane_stride) {
    for (; x + 4 <= columns.wide; x += 4) {
        const std::int32_t* at = columns.first_byte + x;
        const std::int16_t* weights = columns.weights + 2 * x;
        const uint16x4x2_t first = vtrn_u16(blend(row + at[0], weights), blend(row + at[1], weights + 2));
        const uint16x4x2_t second =
            vtrn_u16(blend(row + at[2], weights + 4), blend(row + at[3], weights + 6));
        const uint32x2x2_t even =
            vtrn_u32(vreinterpret_u32_u16(first.val[0]), vreinterpret_u32_u16(second.val[0]));
        const uint32x2x2_t odd =
            vtrn_u32(vreinterpret_u32_u16(first.val[1]), vreinterpret_u32_u16(second.val[1]));
        vst1_s16(planes + x, vreinterpret_s16_u32(even.val[0]));
        vst1_s16(planes + plane_stride + x, vreinterpret_s16_u32(odd.val[0]));
        vst1_s16(planes + 2 * plane_stride + x, vreinterpret_s16_u32(even.val[1]));
    }
    letterbox_kernels_scalar.horizontal(row, columns, x, planes, plane_stride);
}

/// (row * weight) >> 16: the instruction doubles the product first, so one more shift.
int16x8_t weighted(const std::int16_t* row, std::int16_t weight) {
    return vshrq_n_s16(vqdmulhq_n_s16(vld1q_s16(row), weight), 1);
}

void vertical(const std::int16_t* row0, const std::int16_t* row1, int weight0, int weight1, int width,
              std::uint8_t* out) {
    const auto w0 = static_cast<std::int16_t>(weight0);
    const auto w1 = static_cast<std::int16_t>(weight1);
    int x = 0;
    for (; x + 8 <= width; x += 8) {
        const int16x8_t sum = vaddq_s16(weighted(row0 + x, w0), weighted(row1 + x, w1));
        vst1_u8(out + x, vqmovun_s16(vrshrq_n_s16(sum, 2)));
    }
    letterbox_kernels_scalar.vertical(row0 + x, row1 + x, weight0, weight1, width - x, out + x);
}

void halve(const std::uint8_t* row0, const std::uint8_t* row1, int x, int width, std::uint8_t* planes,
           std::ptrdiff_t plane_stride) {
    for (; x + 8 <= width; x += 8) {
        const uint8x16x3_t upper = vld3q_u8(row0 + 6 * x);
        const uint8x16x3_t lower = vld3q_u8(row1 + 6 * x);
        for (int c = 0; c < 3; ++c) {
            const uint16x8_t sum = vpadalq_u8(vpaddlq_u8(upper.val[c]), lower.val[c]);
            vst1_u8(planes + c * plane_stride + x, vrshrn_n_u16(sum, 2));
        }
    }
    letterbox_kernels_scalar.halve(row0, row1, x, width, planes, plane_stride);
}

float32x4_t scaled(uint16x4_t grey, const GreyLevels& levels) {
    const float32x4_t value = vcvtq_f32_u32(vmovl_u16(grey));
    return vfmaq_f32(vmulq_n_f32(value, levels.low), value, vdupq_n_f32(levels.high));
}

/// 32-bit NEON takes subnormal numbers for 0; the table holds them.
bool computable(const GreyLevels& levels) {
#ifdef __aarch64__
    return levels.exact;
#else
    const auto normal = [](float value) { return value >= FLT_MIN || value <= -FLT_MIN; };
    return levels.exact && normal(levels.high) && (levels.low == 0.0F || normal(levels.low));
#endif
}

void normalize(const std::uint8_t* row, int width, const GreyLevels& levels, float* out) {
    int x = 0;
    if (computable(levels)) {
        for (; x + 8 <= width; x += 8) {
            const uint16x8_t grey = vmovl_u8(vld1_u8(row + x));
            vst1q_f32(out + x, scaled(vget_low_u16(grey), levels));
            vst1q_f32(out + x + 4, scaled(vget_high_u16(grey), levels));
        }
    }
    letterbox_kernels_scalar.normalize(row + x, width - x, levels, out + x);
}

}  // namespace

const LetterboxKernels letterbox_kernels_neon = {horizontal, vertical, halve, normalize};

}  // namespace yolo_edge
