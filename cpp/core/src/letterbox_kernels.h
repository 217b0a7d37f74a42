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

/// A NormalizationTable, and its values as arithmetic where that is possible: `fma(x, high, x * low)`.
struct GreyLevels {
    const float* table;
    float high;  ///< The scale rounded to float.
    float low;   ///< What that rounding left.
    bool exact;  ///< Whether the arithmetic gives the table, all 256 values, bit for bit.
};

/// The inner loops of Letterbox, one set per instruction set, all with the same bits.
struct LetterboxKernels {
    /// Resizes one row of interleaved pixels, from column `x` on, into three planes of 15-bit numbers.
    void (*horizontal)(const std::uint8_t* row, const ColumnPlan& columns, int x, std::int16_t* planes,
                       std::ptrdiff_t plane_stride);
    /// Blends two horizontally resized rows.
    void (*vertical)(const std::int16_t* row0, const std::int16_t* row1, int weight0, int weight1, int width,
                     std::uint8_t* out);
    /// The common case of exactly half the size: the mean of 2 x 2 pixels, which is the same bits. From
    /// column `x` on; `width` is that of the three planes written.
    void (*halve)(const std::uint8_t* row0, const std::uint8_t* row1, int x, int width, std::uint8_t* planes,
                  std::ptrdiff_t plane_stride);
    /// Turns grey levels into normalised values.
    void (*normalize)(const std::uint8_t* row, int width, const GreyLevels& levels, float* out);
};

extern const LetterboxKernels letterbox_kernels_scalar;
extern const LetterboxKernels
    letterbox_kernels_avx2;  // these two only where they are compiled in, see simd.cpp
extern const LetterboxKernels letterbox_kernels_neon;

}  // namespace yolo_edge
