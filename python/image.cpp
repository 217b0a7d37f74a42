#include "image.h"

#include <stdexcept>

#include "arrays.h"

namespace py = pybind11;

namespace yolo_edge {

ChannelOrder channel_order(const char* argument, const std::string& name) {
    if (name == "bgr") return ChannelOrder::bgr;
    if (name == "rgb") return ChannelOrder::rgb;
    throw std::invalid_argument(std::string(argument) + " is '" + name + "'; it must be 'bgr' or 'rgb'");
}

const char* name_of(ChannelOrder order) {
    return order == ChannelOrder::bgr ? "bgr" : "rgb";
}

ImageArgument image_argument(const py::array& image, ChannelOrder order) {
    const bool usable = has_dtype<std::uint8_t>(image) && image.ndim() == 3 && image.shape(0) >= 1 &&
                        image.shape(1) >= 1 && image.shape(2) == 3 && fits_int(image);
    if (!usable) {
        throw std::invalid_argument("image is " + describe(image) +
                                    "; it must be uint8 (height, width, 3) with at least one pixel");
    }
    // numpy leaves the stride of an axis of length 1 undefined.
    const bool contiguous_pixels = image.strides(2) == 1 && (image.shape(1) == 1 || image.strides(1) == 3);
    ImageArgument argument;
    argument.owner = contiguous_pixels ? image : py::array_t<std::uint8_t, py::array::c_style>::ensure(image);
    if (!argument.owner) throw py::error_already_set();
    argument.view.data = static_cast<const std::uint8_t*>(argument.owner.data());
    argument.view.height = static_cast<int>(argument.owner.shape(0));
    argument.view.width = static_cast<int>(argument.owner.shape(1));
    argument.view.row_stride = argument.owner.strides(0);
    argument.view.order = order;
    return argument;
}

}  // namespace yolo_edge
