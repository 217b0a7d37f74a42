#include <arm_neon.h>

#include "sha256_blocks.h"

// Compiled with -march=armv8-a+crypto; called only after a look at the CPU (sha256.cpp).

namespace yolo_edge {

void sha256_blocks_arm(std::uint32_t* state, const unsigned char* blocks, std::size_t count) {
    uint32x4_t abcd = vld1q_u32(state);
    uint32x4_t efgh = vld1q_u32(state + 4);
    for (; count > 0; --count, blocks += 64) {
        const uint32x4_t abcd_before = abcd;
        const uint32x4_t efgh_before = efgh;
        uint32x4_t words[4];  // of the four rounds at hand and of the twelve after them
        for (int i = 0; i < 4; ++i) words[i] = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(blocks + 16 * i)));
        for (int i = 0; i < 16; ++i) {
            const uint32x4_t sum = vaddq_u32(words[0], vld1q_u32(&sha256_round_constants[0] + 4 * i));
            const uint32x4_t abcd_of_round = abcd;
            abcd = vsha256hq_u32(abcd, efgh, sum);
            efgh = vsha256h2q_u32(efgh, abcd_of_round, sum);
            const uint32x4_t next = vsha256su1q_u32(vsha256su0q_u32(words[0], words[1]), words[2], words[3]);
            words[0] = words[1];
            words[1] = words[2];
            words[2] = words[3];
            words[3] = next;
        }
        abcd = vaddq_u32(abcd, abcd_before);
        efgh = vaddq_u32(efgh, efgh_before);
    }
    vst1q_u32(state, abcd);
    vst1q_u32(state + 4, efgh);
}

}  // namespace yolo_edge
