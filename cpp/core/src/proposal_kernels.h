#pragma once

#include <cstddef>
#include <cstdint>

// Included by sources that are compiled for one instruction set only: nothing here may define an inline
// function, or the linker could pick the AVX2 copy of it for the whole program.

namespace yolo_edge {

/// Cells that the kernels look at together. `count` is 8 but for the last block of a plane.
constexpr int block_cells = 8;

/// The scans that find the few cells worth decoding; they compare logits and never compute a sigmoid.
///
/// NaN and infinite logits are never above a floor and never the best.
struct ProposalKernels {
    /// Bit i: objectness[i] is finite and greater than `floor`.
    unsigned (*objectness_above)(const float* objectness, int count, float floor);
    /// For each cell the class of the highest finite logit, the first of equals; -1 when it has none.
    void (*best_class)(const float* classes, std::ptrdiff_t plane_stride, int class_count, int count,
                       int* best, float* best_logit);
    /// masks[c], bit i: the logit of class c in cell i is finite and greater than floors[i].
    void (*classes_above)(const float* classes, std::ptrdiff_t plane_stride, int class_count, int count,
                          const float* floors, std::uint8_t* masks);
};

extern const ProposalKernels proposal_kernels_scalar;

}  // namespace yolo_edge
