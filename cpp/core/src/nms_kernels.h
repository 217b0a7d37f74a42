#pragma once

// Included by sources that are compiled for one instruction set only: nothing here may define an inline
// function, or the linker could pick the AVX2 copy of it for the whole program.

namespace yolo_edge {

/// Eight kept boxes of one class as structure of arrays, and the block that follows in that class.
///
/// Places not yet taken hold a box from +infinity to -infinity of area 0, whose IoU with any box is 0 or NaN.
struct KeptBlock {
    float x0[8];
    float y0[8];
    float x1[8];
    float y1[8];
    float area[8];
    int count;
    int next;  ///< Index of a block, or -1.
};

struct NmsKernels {
    /// Whether the IoU of `box` (x0, y0, x1, y1) with one of the boxes in the chain that starts at
    /// `blocks[first]` is greater than `iou`.
    bool (*suppressed)(const float* box, float area, const KeptBlock* blocks, int first, float iou);
};

extern const NmsKernels nms_kernels_scalar;
extern const NmsKernels nms_kernels_avx2;  // these two only where they are compiled in, see simd.cpp
extern const NmsKernels nms_kernels_neon;

}  // namespace yolo_edge
