#include "yolo_edge/scale_boxes.h"

#include <algorithm>

#include "argument_error.h"

namespace yolo_edge {

BoxScaling box_scaling(const LetterboxGeometry& geometry) {
    const SizeHW source = geometry.source;
    const SizeHW tensor = geometry.tensor;
    if (source.height < 1 || source.width < 1 || tensor.height < 1 || tensor.width < 1) {
        throw argument_error("the geometry's source is ", source.height, "x", source.width,
                             " and its tensor ", tensor.height, "x", tensor.width,
                             "; take it from letterbox_geometry");
    }
    double gain_x = static_cast<double>(tensor.width) / source.width;
    double gain_y = static_cast<double>(tensor.height) / source.height;
    double pad_x = 0;
    double pad_y = 0;
    if (geometry.mode != LetterboxMode::stretch) {
        const double gain = geometry.resized == source ? 1.0 : std::min(gain_x, gain_y);
        gain_x = gain;
        gain_y = gain;
        pad_x = (tensor.width - source.width * gain) / 2;
        pad_y = (tensor.height - source.height * gain) / 2;
    }
    // Rounded to float here because torch, too, computes float32 boxes with these numbers rounded to float32.
    return {static_cast<float>(gain_x), static_cast<float>(gain_y),       static_cast<float>(pad_x),
            static_cast<float>(pad_y),  static_cast<float>(source.width), static_cast<float>(source.height)};
}

void scale_boxes(std::vector<Proposal>& boxes, const LetterboxGeometry& geometry) {
    const BoxScaling scaling = box_scaling(geometry);
    const auto to_source = [](float t, float pad, float gain, float limit) {
        return std::clamp((t - pad) / gain, 0.0F, limit);
    };
    for (Proposal& box : boxes) {
        box.x0 = to_source(box.x0, scaling.pad_x, scaling.gain_x, scaling.limit_x);
        box.y0 = to_source(box.y0, scaling.pad_y, scaling.gain_y, scaling.limit_y);
        box.x1 = to_source(box.x1, scaling.pad_x, scaling.gain_x, scaling.limit_x);
        box.y1 = to_source(box.y1, scaling.pad_y, scaling.gain_y, scaling.limit_y);
    }
}

}  // namespace yolo_edge
