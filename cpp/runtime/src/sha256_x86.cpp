#include <immintrin.h>

#include "sha256_blocks.h"

// Compiled with -msha -msse4.1; called only after a look at the CPU (sha256.cpp).

namespace yolo_edge {

void sha256_blocks_x86(std::uint32_t* state, const unsigned char* blocks, std::size_t count) {
    const __m128i big_endian = _mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
    // The instructions want the state as (f, e, b, a) and (h, g, d, c), lowest first.
    const __m128i badc = _mm_shuffle_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(state)), 0xB1);
    const __m128i hgfe =
        _mm_shuffle_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(state + 4)), 0x1B);
    __m128i abef = _mm_alignr_epi8(badc, hgfe, 8);
    __m128i cdgh = _mm_blend_epi16(hgfe, badc, 0xF0);
    for (; count > 0; --count, blocks += 64) {
        const __m128i abef_before = abef;
        const __m128i cdgh_before = cdgh;
        __m128i words[4];  // of the four rounds at hand and of the twelve after them
        for (int i = 0; i < 4; ++i) {
            const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(blocks + 16 * i));
            words[i] = _mm_shuffle_epi8(bytes, big_endian);
        }
        for (int i = 0; i < 16; ++i) {
            const __m128i constants =
                _mm_loadu_si128(reinterpret_cast<const __m128i*>(&sha256_round_constants[0] + 4 * i));
            const __m128i sum = _mm_add_epi32(words[0], constants);
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0E));
            const __m128i seven_back = _mm_alignr_epi8(words[3], words[2], 4);
            const __m128i partial = _mm_add_epi32(_mm_sha256msg1_epu32(words[0], words[1]), seven_back);
            const __m128i next = _mm_sha256msg2_epu32(partial, words[3]);
            words[0] = words[1];
            words[1] = words[2];
            words[2] = words[3];
            words[3] = next;
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    const __m128i feba = _mm_shuffle_epi32(abef, 0x1B);
    const __m128i dchg = _mm_shuffle_epi32(cdgh, 0xB1);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(state), _mm_blend_epi16(feba, dchg, 0xF0));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

}  // namespace yolo_edge
