#include <immintrin.h>

#include "letterbox_kernels.h"

// Compiled with -mavx2 -mfma; called only after a look at the CPU (simd.cpp).

namespace yolo_edge {
namespace {

/// Asks for the pixels that come some iterations later: what processors fetch ahead by themselves ends at the
/// page. The address may lie behind the image, it is not read.
template <int bytes_ahead>
void prefetch(const std::uint8_t* at) {
    _mm_prefetch(reinterpret_cast<const char*>(reinterpret_cast<std::uintptr_t>(at) + bytes_ahead),
                 _MM_HINT_T0);
}

/// Eight bytes from each of two addresses.
__m128i load_two(const std::uint8_t* first, const std::uint8_t* second) {
    const __m128i low = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(first));
    const __m128i high = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(second));
    return _mm_unpacklo_epi64(low, high);
}

/// (s0 * w0 + s1 * w1) >> 4 of eight pixels, from their byte pairs widened to 16 bits.
__m256i blend(__m256i pairs, __m256i weights) {
    return _mm256_srai_epi32(_mm256_madd_epi16(pairs, weights), 4);
}

/// Eight pixels at a time. Each is loaded with its right neighbour and two bytes more, so `wide` columns
/// only.
void horizontal(const std::uint8_t* row, const ColumnPlan& columns, int x, std::int16_t* planes,
                std::ptrdiff_t plane_stride) {
    // Of two pixels' eight bytes each: the pairs (left, right) of channel 0, then of channel 1, then of
    // channel 2.
    const __m256i to_pairs = _mm256_setr_epi8(0, 3, 8, 11, 1, 4, 9, 12, 2, 5, 10, 13, -1, -1, -1, -1,  //
                                              0, 3, 8, 11, 1, 4, 9, 12, 2, 5, 10, 13, -1, -1, -1, -1);
    const __m256i zero = _mm256_setzero_si256();
    for (; x + 8 <= columns.wide; x += 8) {
        const std::int32_t* at = columns.first_byte + x;
        prefetch<1536>(row + at[0]);
        const __m256i even = _mm256_shuffle_epi8(
            _mm256_set_m128i(load_two(row + at[4], row + at[5]), load_two(row + at[0], row + at[1])),
            to_pairs);
        const __m256i odd = _mm256_shuffle_epi8(
            _mm256_set_m128i(load_two(row + at[6], row + at[7]), load_two(row + at[2], row + at[3])),
            to_pairs);
        const __m256i channels01 = _mm256_unpacklo_epi32(even, odd);
        const __m256i channel2 = _mm256_unpackhi_epi32(even, odd);
        const __m256i weights = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(columns.weights + 2 * x));
        const __m256i plane0 = blend(_mm256_unpacklo_epi8(channels01, zero), weights);
        const __m256i plane1 = blend(_mm256_unpackhi_epi8(channels01, zero), weights);
        const __m256i plane2 = blend(_mm256_unpacklo_epi8(channel2, zero), weights);
        const __m256i planes01 = _mm256_permute4x64_epi64(_mm256_packs_epi32(plane0, plane1), 0xD8);
        const __m256i planes2 = _mm256_permute4x64_epi64(_mm256_packs_epi32(plane2, plane2), 0xD8);
        std::int16_t* out = planes + x;
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm256_castsi256_si128(planes01));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + plane_stride),
                         _mm256_extracti128_si256(planes01, 1));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 2 * plane_stride), _mm256_castsi256_si128(planes2));
    }
    letterbox_kernels_scalar.horizontal(row, columns, x, planes, plane_stride);
}

__m256i blend_rows(const std::int16_t* row0, const std::int16_t* row1, __m256i weight0, __m256i weight1) {
    const __m256i h0 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row0));
    const __m256i h1 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row1));
    const __m256i sum = _mm256_add_epi16(_mm256_mulhi_epi16(h0, weight0), _mm256_mulhi_epi16(h1, weight1));
    return _mm256_srai_epi16(_mm256_add_epi16(sum, _mm256_set1_epi16(2)), 2);
}

void vertical(const std::int16_t* row0, const std::int16_t* row1, int weight0, int weight1, int width,
              std::uint8_t* out) {
    const __m256i w0 = _mm256_set1_epi16(static_cast<short>(weight0));
    const __m256i w1 = _mm256_set1_epi16(static_cast<short>(weight1));
    int x = 0;
    for (; x + 32 <= width; x += 32) {
        const __m256i low = blend_rows(row0 + x, row1 + x, w0, w1);
        const __m256i high = blend_rows(row0 + x + 16, row1 + x + 16, w0, w1);
        const __m256i levels = _mm256_permute4x64_epi64(_mm256_packus_epi16(low, high), 0xD8);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + x), levels);
    }
    letterbox_kernels_scalar.vertical(row0 + x, row1 + x, weight0, weight1, width - x, out + x);
}

/// The sums of two neighbouring pixels of two rows: eight source pixels, as (channel 0, 0, 1, 1, 2, 2, -, -)
/// twice.
__m256i sum_pixels(const std::uint8_t* row0, const std::uint8_t* row1, __m256i to_pairs) {
    // Four pixels are twelve bytes; each half loads four bytes more.
    const auto pairs = [to_pairs](const std::uint8_t* row) {
        const __m256i pixels = _mm256_loadu2_m128i(reinterpret_cast<const __m128i*>(row + 24),
                                                   reinterpret_cast<const __m128i*>(row));
        return _mm256_maddubs_epi16(_mm256_shuffle_epi8(pixels, to_pairs), _mm256_set1_epi8(1));
    };
    return _mm256_add_epi16(pairs(row0), pairs(row1));
}

/// Eight pixels of sixteen at a time, 48 bytes of which 52 are loaded: not at the end of the row.
void halve(const std::uint8_t* row0, const std::uint8_t* row1, int x, int width, std::uint8_t* planes,
           std::ptrdiff_t plane_stride) {
    const __m256i to_pairs = _mm256_setr_epi8(0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11, -1, -1, -1, -1,  //
                                              0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11, -1, -1, -1, -1);
    const __m256i side_by_side = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m256i two = _mm256_set1_epi16(2);
    for (; x + 9 <= width; x += 8) {
        const std::uint8_t* at0 = row0 + 6 * x;
        const std::uint8_t* at1 = row1 + 6 * x;
        prefetch<5120>(at0);
        prefetch<5120>(at1);
        const __m256i even = sum_pixels(at0, at1, to_pairs);           // results 0, 1 | 4, 5
        const __m256i odd = sum_pixels(at0 + 12, at1 + 12, to_pairs);  // results 2, 3 | 6, 7
        const __m256i channels01 =
            _mm256_srli_epi16(_mm256_add_epi16(_mm256_unpacklo_epi32(even, odd), two), 2);
        const __m256i channel2 =
            _mm256_srli_epi16(_mm256_add_epi16(_mm256_unpackhi_epi32(even, odd), two), 2);
        const __m256i halves = _mm256_packus_epi16(channels01, channel2);
        const __m256i levels = _mm256_permutevar8x32_epi32(halves, side_by_side);
        const __m128i planes01 = _mm256_castsi256_si128(levels);
        std::uint8_t* out = planes + x;
        _mm_storel_epi64(reinterpret_cast<__m128i*>(out), planes01);
        _mm_storel_epi64(reinterpret_cast<__m128i*>(out + plane_stride),
                         _mm_unpackhi_epi64(planes01, planes01));
        _mm_storel_epi64(reinterpret_cast<__m128i*>(out + 2 * plane_stride),
                         _mm256_extracti128_si256(levels, 1));
    }
    letterbox_kernels_scalar.halve(row0, row1, x, width, planes, plane_stride);
}

void normalize(const std::uint8_t* row, int width, const GreyLevels& levels, float* out) {
    int x = 0;
    if (levels.exact) {
        const __m256 high = _mm256_set1_ps(levels.high);
        const __m256 low = _mm256_set1_ps(levels.low);
        for (; x + 8 <= width; x += 8) {
            const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(row + x));
            const __m256 value = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
            _mm256_storeu_ps(out + x, _mm256_fmadd_ps(value, high, _mm256_mul_ps(value, low)));
        }
    }
    letterbox_kernels_scalar.normalize(row + x, width - x, levels, out + x);
}

}  // namespace

const LetterboxKernels letterbox_kernels_avx2 = {horizontal, vertical, halve, normalize};

}  // namespace yolo_edge
