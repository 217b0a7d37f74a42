#pragma once

#include <pybind11/numpy.h>

#include <string>

#include "yolo_edge/image.h"

namespace yolo_edge {

/// "bgr" or "rgb"; anything else throws std::invalid_argument that names the argument.
ChannelOrder channel_order(const char* argument, const std::string& name);
const char* name_of(ChannelOrder order);

/// An image argument and the array that owns its memory, which is a copy when the pixels were not contiguous.
struct ImageArgument {
    pybind11::array owner;
    ImageView view;
};

/// Accepts uint8 (height, width, 3). Rows may have any stride; pixels that are not three bytes in a row (a
/// view with reversed channels or columns) are copied. Anything else throws std::invalid_argument.
ImageArgument image_argument(const pybind11::array& image, ChannelOrder order);

}  // namespace yolo_edge
