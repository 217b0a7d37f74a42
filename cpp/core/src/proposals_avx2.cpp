#include <immintrin.h>

#include "proposal_kernels.h"

// Compiled with -mavx2 -mfma; called only after a look at the CPU (simd.cpp).

namespace yolo_edge {
namespace {

/// Lanes that are greater than `floor` and below infinity; comparisons with NaN are false.
__m256 above(__m256 values, __m256 floor) {
    const __m256 infinity = _mm256_set1_ps(__builtin_inff());
    return _mm256_and_ps(_mm256_cmp_ps(values, floor, _CMP_GT_OQ),
                         _mm256_cmp_ps(values, infinity, _CMP_LT_OQ));
}

int find_blocks(const float* objectness, int cells, float floor, CellBlock* blocks) {
    const __m256 floors = _mm256_set1_ps(floor);
    int found = 0;
    int begin = 0;
    for (; begin + block_cells <= cells; begin += block_cells) {
        const int mask = _mm256_movemask_ps(above(_mm256_loadu_ps(objectness + begin), floors));
        if (mask != 0) blocks[found++] = {begin, static_cast<std::uint32_t>(mask)};
    }
    if (begin < cells) {
        const int last = cells - block_cells;
        const int mask = _mm256_movemask_ps(above(_mm256_loadu_ps(objectness + last), floors));
        const std::uint32_t fresh = static_cast<std::uint32_t>(mask) >> (begin - last) << (begin - last);
        if (fresh != 0) blocks[found++] = {last, fresh};
    }
    return found;
}

void best_class(const float* logits, const float* next, int, const CellBlock* blocks, int block_count,
                int class_id, float* best_logit, std::int32_t* best) {
    const __m256 id = _mm256_castsi256_ps(_mm256_set1_epi32(class_id));
    for (int b = 0; b < block_count; ++b) {
        __builtin_prefetch(next + blocks[b].begin);
        float* at = best_logit + b * block_cells;
        float* ids = reinterpret_cast<float*>(best + b * block_cells);
        const __m256 values = _mm256_loadu_ps(logits + blocks[b].begin);
        const __m256 highest = _mm256_loadu_ps(at);
        const __m256 better = above(values, highest);
        _mm256_storeu_ps(at, _mm256_blendv_ps(highest, values, better));
        _mm256_storeu_ps(ids, _mm256_blendv_ps(_mm256_loadu_ps(ids), id, better));
    }
}

int class_above(const float* logits, const float* next, int, const CellBlock* blocks, int block_count,
                int class_id, const float* floors, ClassHit* hits) {
    int found = 0;
    for (int b = 0; b < block_count; ++b) {
        __builtin_prefetch(next + blocks[b].begin);
        const __m256 values = _mm256_loadu_ps(logits + blocks[b].begin);
        const int mask = _mm256_movemask_ps(above(values, _mm256_loadu_ps(floors + b * block_cells)));
        // Written in any case: a branch here would often be guessed wrong.
        hits[found] = {b, class_id, static_cast<std::uint32_t>(mask)};
        found += mask != 0 ? 1 : 0;
    }
    return found;
}

__m256d madd(__m256d a, __m256d b, double c) {
    return _mm256_add_pd(_mm256_mul_pd(a, b), _mm256_set1_pd(c));
}

/// The operations of sigmoid.h in the same order, four at a time; no fused ones, which would round
/// differently.
__m128 sigmoid(__m128 x) {
    const __m256d limit = _mm256_set1_pd(150.0);
    const __m256d y =
        _mm256_max_pd(_mm256_min_pd(_mm256_sub_pd(_mm256_setzero_pd(), _mm256_cvtps_pd(x)), limit),
                      _mm256_sub_pd(_mm256_setzero_pd(), limit));
    const __m256d round = _mm256_set1_pd(6755399441055744.0);
    const __m256d shifted = madd(y, _mm256_set1_pd(1.4426950408889634), 6755399441055744.0);
    const __m256d r =
        _mm256_sub_pd(y, _mm256_mul_pd(_mm256_sub_pd(shifted, round), _mm256_set1_pd(0.6931471805599453)));
    const __m256d r2 = _mm256_mul_pd(r, r);
    const __m256d r4 = _mm256_mul_pd(r2, r2);
    const auto pair = [r, r2](double c0, double c1, double c2, double c3) {
        const __m256d lower = madd(r, _mm256_set1_pd(c1), c0);
        const __m256d upper = madd(r, _mm256_set1_pd(c3), c2);
        return _mm256_add_pd(lower, _mm256_mul_pd(upper, r2));
    };
    const __m256d low = pair(1.0, 1.0, 0.5, 1.0 / 6.0);
    const __m256d middle = pair(1.0 / 24.0, 1.0 / 120.0, 1.0 / 720.0, 1.0 / 5040.0);
    const __m256d high = madd(r, _mm256_set1_pd(1.0 / 362880.0), 1.0 / 40320.0);
    const __m256d upper = _mm256_add_pd(middle, _mm256_mul_pd(high, r4));
    const __m256d series = _mm256_add_pd(low, _mm256_mul_pd(upper, r4));
    const __m256i bits = _mm256_add_epi64(_mm256_castpd_si256(shifted), _mm256_set1_epi64x(1023));
    const __m256d power = _mm256_castsi256_pd(_mm256_slli_epi64(bits, 52));
    const __m256d one = _mm256_set1_pd(1.0);
    return _mm256_cvtpd_ps(_mm256_div_pd(one, _mm256_add_pd(one, _mm256_mul_pd(series, power))));
}

void sigmoids(const float* x, int count, float* out) {
    int i = 0;
    for (; i + 4 <= count; i += 4) _mm_storeu_ps(out + i, sigmoid(_mm_loadu_ps(x + i)));
    proposal_kernels_scalar.sigmoids(x + i, count - i, out + i);
}

}  // namespace

const ProposalKernels proposal_kernels_avx2 = {find_blocks, best_class, class_above, sigmoids};

}  // namespace yolo_edge
