#pragma once

#include <cstddef>
#include <cstdint>

// Included by sources that are compiled for one instruction set only: nothing here may define an inline
// function, or the linker could pick the AVX2 copy of it for the whole program.

namespace yolo_edge {

/// Cells that the kernels look at together.
constexpr int block_cells = 8;

/// Neighbouring cells of a plane; bit i of `mask` belongs to cell begin + i.
struct CellBlock {
    std::int32_t begin;
    std::uint32_t mask;
};

/// Cells of the block at this place in a list whose logit of a class is above their floor.
struct ClassHit {
    std::int32_t block;
    std::int32_t class_id;
    std::uint32_t mask;
};

/// The scans that find the few cells and classes worth decoding, and the sigmoid.
///
/// They go through one plane at a time, because the planes of a head are far apart in memory; `next` is the
/// plane that comes then, to be fetched ahead. Planes have at least 8 cells, except that the scalar kernels
/// take fewer. NaN and infinite logits are never above a floor, never the best.
struct ProposalKernels {
    /// Lists the blocks with a finite objectness greater than `floor`, rising; returns how many. The last
    /// block of a plane may begin before the one in front of it ends; its mask then leaves out the cells that
    /// they share. The list has room for cells / 8 + 1.
    int (*find_blocks)(const float* objectness, int cells, float floor, CellBlock* blocks);
    /// Where the logit is finite and greater than best_logit, takes it over with the class id. Both lists
    /// have eight places per block.
    void (*best_class)(const float* logits, const float* next, int cells, const CellBlock* blocks,
                       int block_count, int class_id, float* best_logit, std::int32_t* best);
    /// Lists the blocks in which a logit is finite and greater than the cell's floor, eight floors per block;
    /// returns how many. The list has room for all blocks.
    int (*class_above)(const float* logits, const float* next, int cells, const CellBlock* blocks,
                       int block_count, int class_id, const float* floors, ClassHit* hits);
    /// out[i] = sigmoid(x[i]), see sigmoid.h.
    void (*sigmoids)(const float* x, int count, float* out);
};

extern const ProposalKernels proposal_kernels_scalar;
extern const ProposalKernels
    proposal_kernels_avx2;  // these two only where they are compiled in, see simd.cpp
extern const ProposalKernels proposal_kernels_neon;

}  // namespace yolo_edge
