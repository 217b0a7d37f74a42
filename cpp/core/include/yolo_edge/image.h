#pragma once

#include <cstddef>
#include <cstdint>

namespace yolo_edge {

/// Order of the three colour channels, in an image's pixels or in a tensor's planes.
enum class ChannelOrder { bgr, rgb };

/// A borrowed 8-bit image of height x width pixels, three interleaved channels each.
///
/// The memory belongs to the caller and must outlive the call that reads it.
struct ImageView {
    const std::uint8_t* data = nullptr;  ///< First byte of the top row.
    int height = 0;                      ///< Rows.
    int width = 0;                       ///< Pixels in a row.
    std::ptrdiff_t row_stride =
        0;  ///< Bytes from a row to the next one; negative for images stored bottom-up.
    ChannelOrder order = ChannelOrder::bgr;
};

}  // namespace yolo_edge
