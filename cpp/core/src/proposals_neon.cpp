#include <arm_neon.h>

#include "proposal_kernels.h"

namespace yolo_edge {
namespace {

#ifdef __aarch64__
/// Lanes that are greater than `floor` and below infinity; comparisons with NaN are false.
uint32x4_t above(float32x4_t values, float32x4_t floor) {
    return vandq_u32(vcgtq_f32(values, floor), vcltq_f32(values, vdupq_n_f32(__builtin_inff())));
}

std::uint32_t sum(uint32x4_t lanes) {
    return vaddvq_u32(lanes);
}
#else
/// Integers in the order of the numbers; -0 is 0, NaN lies outside of the infinities.
int32x4_t rank(float32x4_t values) {
    const int32x4_t bits = vreinterpretq_s32_f32(values);
    const int32x4_t magnitude = vandq_s32(bits, vdupq_n_s32(0x7FFFFFFF));
    return vbslq_s32(vcltq_s32(bits, vdupq_n_s32(0)), vnegq_s32(magnitude), magnitude);
}

/// The same by integers: 32-bit NEON takes subnormal numbers for 0.
uint32x4_t above(float32x4_t values, float32x4_t floor) {
    const int32x4_t ranks = rank(values);
    return vandq_u32(vcgtq_s32(ranks, rank(floor)), vcltq_s32(ranks, vdupq_n_s32(0x7F800000)));
}

std::uint32_t sum(uint32x4_t lanes) {
    const uint32x2_t pairs = vadd_u32(vget_low_u32(lanes), vget_high_u32(lanes));
    return vget_lane_u32(vpadd_u32(pairs, pairs), 0);
}
#endif

/// Bit i: logits[i] is above floors[i], for eight lanes.
std::uint32_t mask_above(const float* logits, float32x4_t low_floors, float32x4_t high_floors) {
    const std::uint32_t bits[4] = {1, 2, 4, 8};
    const uint32x4_t low = vandq_u32(above(vld1q_f32(logits), low_floors), vld1q_u32(bits));
    const uint32x4_t high = vandq_u32(above(vld1q_f32(logits + 4), high_floors), vld1q_u32(bits));
    return sum(vorrq_u32(low, vshlq_n_u32(high, 4)));
}

int find_blocks(const float* objectness, int cells, float floor, CellBlock* blocks) {
    const float32x4_t floors = vdupq_n_f32(floor);
    int found = 0;
    int begin = 0;
    for (; begin + block_cells <= cells; begin += block_cells) {
        const std::uint32_t mask = mask_above(objectness + begin, floors, floors);
        if (mask != 0) blocks[found++] = {begin, mask};
    }
    if (begin < cells) {
        const int last = cells - block_cells;
        const std::uint32_t fresh = mask_above(objectness + last, floors, floors) >> (begin - last)
                                                                                         << (begin - last);
        if (fresh != 0) blocks[found++] = {last, fresh};
    }
    return found;
}

void best_class(const float* logits, const float* next, int, const CellBlock* blocks, int block_count,
                int class_id, float* best_logit, std::int32_t* best) {
    const int32x4_t id = vdupq_n_s32(class_id);
    for (int b = 0; b < block_count; ++b) {
        __builtin_prefetch(next + blocks[b].begin);
        for (int i = 0; i < block_cells; i += 4) {
            float* at = best_logit + b * block_cells + i;
            std::int32_t* ids = best + b * block_cells + i;
            const float32x4_t values = vld1q_f32(logits + blocks[b].begin + i);
            const float32x4_t highest = vld1q_f32(at);
            const uint32x4_t better = above(values, highest);
            vst1q_f32(at, vbslq_f32(better, values, highest));
            vst1q_s32(ids, vbslq_s32(better, id, vld1q_s32(ids)));
        }
    }
}

int class_above(const float* logits, const float* next, int, const CellBlock* blocks, int block_count,
                int class_id, const float* floors, ClassHit* hits) {
    int found = 0;
    for (int b = 0; b < block_count; ++b) {
        __builtin_prefetch(next + blocks[b].begin);
        const float* at = floors + b * block_cells;
        const std::uint32_t mask = mask_above(logits + blocks[b].begin, vld1q_f32(at), vld1q_f32(at + 4));
        // Written in any case: a branch here would often be guessed wrong.
        hits[found] = {b, class_id, mask};
        found += mask != 0 ? 1 : 0;
    }
    return found;
}

#ifdef __aarch64__
/// a * b + c, not fused.
float64x2_t madd(float64x2_t a, double b, double c) {
    return vaddq_f64(vmulq_n_f64(a, b), vdupq_n_f64(c));
}

/// The operations of sigmoid.h in the same order, two at a time; no fused ones, which would round
/// differently.
float32x2_t sigmoid(float32x2_t x) {
    const float64x2_t y =
        vmaxq_f64(vminq_f64(vnegq_f64(vcvt_f64_f32(x)), vdupq_n_f64(150.0)), vdupq_n_f64(-150.0));
    const float64x2_t shifted = madd(y, 1.4426950408889634, 6755399441055744.0);
    const float64x2_t n = vsubq_f64(shifted, vdupq_n_f64(6755399441055744.0));
    const float64x2_t r = vsubq_f64(y, vmulq_n_f64(n, 0.6931471805599453));
    const float64x2_t r2 = vmulq_f64(r, r);
    const float64x2_t r4 = vmulq_f64(r2, r2);
    const auto pair = [r, r2](double c0, double c1, double c2, double c3) {
        return vaddq_f64(madd(r, c1, c0), vmulq_f64(madd(r, c3, c2), r2));
    };
    const float64x2_t low = pair(1.0, 1.0, 0.5, 1.0 / 6.0);
    const float64x2_t middle = pair(1.0 / 24.0, 1.0 / 120.0, 1.0 / 720.0, 1.0 / 5040.0);
    const float64x2_t high = madd(r, 1.0 / 362880.0, 1.0 / 40320.0);
    const float64x2_t series = vaddq_f64(low, vmulq_f64(vaddq_f64(middle, vmulq_f64(high, r4)), r4));
    const int64x2_t bits = vaddq_s64(vreinterpretq_s64_f64(shifted), vdupq_n_s64(1023));
    const float64x2_t power = vreinterpretq_f64_s64(vshlq_n_s64(bits, 52));
    const float64x2_t one = vdupq_n_f64(1.0);
    return vcvt_f32_f64(vdivq_f64(one, vaddq_f64(one, vmulq_f64(series, power))));
}
#endif

void sigmoids(const float* x, int count, float* out) {
    int i = 0;
#ifdef __aarch64__  // 32-bit NEON has no doubles
    for (; i + 2 <= count; i += 2) vst1_f32(out + i, sigmoid(vld1_f32(x + i)));
#endif
    proposal_kernels_scalar.sigmoids(x + i, count - i, out + i);
}

}  // namespace

const ProposalKernels proposal_kernels_neon = {find_blocks, best_class, class_above, sigmoids};

}  // namespace yolo_edge
