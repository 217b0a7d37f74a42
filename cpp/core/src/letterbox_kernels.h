#pragma once

#include <cstddef>
#include <cstdint>

// Included by sources that are compiled for one instruction set only: nothing here may define an inline
// function, or the linker could pick the AVX2 copy of it for the whole program.

namespace yolo_edge {

/// What the horizontal kernels read of a ResizePlan.
struct ColumnPlan {
    const std::int32_t* first_byte;
    const std::int16_t* weights;
    int width;
    int paired;
    int wide;
};

/// The three inner loops of Letterbox, one set per instruction set, all with the same bits.
struct LetterboxKernels {
    /// Resizes one row of interleaved pixels into three planes of 15-bit numbers, `plane_stride` numbers
    /// apart.
    void (*horizontal)(const std::uint8_t* row, const ColumnPlan& columns, std::int16_t* planes,
                       std::ptrdiff_t plane_stride);
    /// Blends two horizontally resized rows of one channel.
    void (*vertical)(const std::int16_t* row0, const std::int16_t* row1, int weight0, int weight1, int width,
                     std::uint8_t* out);
    /// Looks grey levels up in a NormalizationTable.
    void (*normalize)(const std::uint8_t* row, int width, const float* table, float* out);
};

extern const LetterboxKernels letterbox_kernels_scalar;

}  // namespace yolo_edge
