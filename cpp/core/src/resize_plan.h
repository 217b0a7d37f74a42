#pragma once

#include <cstdint>
#include <vector>

#include "yolo_edge/letterbox_geometry.h"

namespace yolo_edge {

/// Which two source pixels make each destination pixel along one axis of a bilinear resize, and their
/// weights.
struct ResizeAxis {
    std::vector<std::int32_t> first;  ///< Source index; for columns multiplied by 3, the byte in the row.
    std::vector<std::int16_t>
        weights;  ///< Weight of the first and of the second source pixel, interleaved, of 2048.
};

/// The arithmetic of OpenCV's uint8 INTER_LINEAR, in its x86 form: weights of 11 bits, two truncations.
///
///     horizontal  h = (s0 * a0 + s1 * a1) >> 4                                       (16 bits)
///     vertical    v = (((b0 * h0) >> 16) + ((b1 * h1) >> 16) + 2) >> 2               (8 bits)
///
/// Horizontally the edge resets the weight to (2048, 0); vertically only the row index is clipped.
struct ResizePlan {
    SizeHW source;
    SizeHW resized;
    ResizeAxis columns;
    ResizeAxis rows;  ///< `first` may be -1: both row indices are to be clipped to the image.
    int paired_columns =
        0;  ///< Leading columns whose second pixel lies in the row; the others copy their first.
    int wide_columns = 0;  ///< Leading columns whose eight bytes from the first pixel on lie in the row.

    /// Exactly half the size on both axes, where the arithmetic comes to the mean of 2 x 2 pixels.
    bool halves() const { return source.height == 2 * resized.height && source.width == 2 * resized.width; }

    /// Computes the plan for these sizes; does nothing when it holds them already.
    void prepare(SizeHW source_size, SizeHW resized_size);
};

}  // namespace yolo_edge
