#include <immintrin.h>

#include "nms_kernels.h"

// Compiled with -mavx2 -mfma; called only after a look at the CPU (simd.cpp).

namespace yolo_edge {
namespace {

/// The overlap of two intervals, 0 when there is none or when a number is NaN (max and min return their
/// second operand then, as the comparisons of the scalar version do).
__m256 overlap(__m256 box_low, __m256 box_high, __m256 low, __m256 high) {
    const __m256 length = _mm256_sub_ps(_mm256_min_ps(high, box_high), _mm256_max_ps(low, box_low));
    return _mm256_max_ps(length, _mm256_setzero_ps());
}

bool suppressed(const float* box, float area, const KeptBlock* blocks, int first, float iou) {
    const __m256 x0 = _mm256_set1_ps(box[0]);
    const __m256 y0 = _mm256_set1_ps(box[1]);
    const __m256 x1 = _mm256_set1_ps(box[2]);
    const __m256 y1 = _mm256_set1_ps(box[3]);
    for (int b = first; b >= 0; b = blocks[b].next) {
        const KeptBlock& block = blocks[b];
        const __m256 width = overlap(x0, x1, _mm256_loadu_ps(block.x0), _mm256_loadu_ps(block.x1));
        const __m256 height = overlap(y0, y1, _mm256_loadu_ps(block.y0), _mm256_loadu_ps(block.y1));
        const __m256 intersection = _mm256_mul_ps(width, height);
        // Most pairs do not meet, and a division is slow.
        if (_mm256_testz_ps(_mm256_cmp_ps(intersection, _mm256_setzero_ps(), _CMP_NEQ_UQ),
                            _mm256_set1_ps(-1.0F))) {
            continue;
        }
        const __m256 areas = _mm256_add_ps(_mm256_loadu_ps(block.area), _mm256_set1_ps(area));
        const __m256 ratio = _mm256_div_ps(intersection, _mm256_sub_ps(areas, intersection));
        if (_mm256_movemask_ps(_mm256_cmp_ps(ratio, _mm256_set1_ps(iou), _CMP_GT_OQ)) != 0) return true;
    }
    return false;
}

}  // namespace

const NmsKernels nms_kernels_avx2 = {suppressed};

}  // namespace yolo_edge
