#include "yolo_edge/scale_boxes.h"

#include <pybind11/numpy.h>

#include <vector>

#include "arrays.h"
#include "register.h"

namespace py = pybind11;

namespace yolo_edge {

void register_scale_boxes(py::module_& m) {
    m.def(
        "scale_boxes",
        [](const py::array& xyxy, const LetterboxGeometry& geometry) {
            std::vector<Proposal> boxes = proposals_of(xyxy);
            {
                const py::gil_scoped_release unlocked;
                scale_boxes(boxes, geometry);
            }
            return xyxy_of(boxes);
        },
        py::arg("xyxy"), py::arg("geometry"),
        R"(Moves boxes from tensor pixels to pixels of the source image, clipped to it.

As YOLOv5's `scale_boxes` (utils/general.py): gain = min(H/h, W/w), pad = ((W - w gain)/2, (H - h gain)/2),
(box - pad) / gain. An image that was not resized has gain 1; a stretched one has a gain per axis and no padding.

Args:
    xyxy: (n, 4) boxes in tensor pixels.
    geometry: What the image was letterboxed with.

Returns:
    float32 (n, 4), a new array.

Raises:
    ValueError: xyxy is not (n, 4).)");
}

}  // namespace yolo_edge
