#include <limits>

#include "proposal_kernels.h"
#include "sigmoid.h"

namespace yolo_edge {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

int find_blocks(const float* objectness, int cells, float floor, CellBlock* blocks) {
    int found = 0;
    for (int begin = 0; begin < cells; begin += block_cells) {
        CellBlock block = {begin, 0};
        for (int i = 0; i < block_cells && begin + i < cells; ++i) {
            const float logit = objectness[begin + i];
            if (logit > floor && logit < infinity) block.mask |= 1U << i;
        }
        // A block that would reach over the plane's end moves back.
        if (begin + block_cells > cells && cells >= block_cells) {
            block.begin = cells - block_cells;
            block.mask <<= begin - block.begin;
        }
        if (block.mask != 0) blocks[found++] = block;
    }
    return found;
}

int lanes_of(int cells) {
    return cells < block_cells ? cells : block_cells;
}

void best_class(const float* logits, const float*, int cells, const CellBlock* blocks, int block_count,
                int class_id, float* best_logit, std::int32_t* best) {
    const int lanes = lanes_of(cells);
    for (int b = 0; b < block_count; ++b) {
        for (int i = 0; i < lanes; ++i) {
            const float logit = logits[blocks[b].begin + i];
            const int place = b * block_cells + i;
            if (logit > best_logit[place] && logit < infinity) {
                best_logit[place] = logit;
                best[place] = class_id;
            }
        }
    }
}

int class_above(const float* logits, const float*, int cells, const CellBlock* blocks, int block_count,
                int class_id, const float* floors, ClassHit* hits) {
    const int lanes = lanes_of(cells);
    int found = 0;
    for (int b = 0; b < block_count; ++b) {
        ClassHit hit = {b, class_id, 0};
        for (int i = 0; i < lanes; ++i) {
            const float logit = logits[blocks[b].begin + i];
            if (logit > floors[b * block_cells + i] && logit < infinity) hit.mask |= 1U << i;
        }
        if (hit.mask != 0) hits[found++] = hit;
    }
    return found;
}

void sigmoids(const float* x, int count, float* out) {
    for (int i = 0; i < count; ++i) out[i] = sigmoid(x[i]);
}

}  // namespace

const ProposalKernels proposal_kernels_scalar = {find_blocks, best_class, class_above, sigmoids};

}  // namespace yolo_edge
