#include "yolo_edge/nms.h"

#include <pybind11/numpy.h>

#include <vector>

#include "arrays.h"
#include "register.h"

namespace py = pybind11;

namespace yolo_edge {

void register_nms(py::module_& m) {
    const NmsOptions defaults;
    m.def(
        "nms_sorted",
        [](const py::array& xyxy, const py::array& score, const py::array& class_id, float iou,
           bool class_agnostic, int max_detections) {
            const std::vector<Proposal> proposals = proposals_of(xyxy, score, class_id);
            NmsOptions options;
            options.iou = iou;
            options.class_agnostic = class_agnostic;
            options.max_detections = max_detections;
            NmsBuffers buffers;
            std::vector<int> kept;
            {
                const py::gil_scoped_release unlocked;
                nms_sorted(proposals, options, buffers, kept);
            }
            return py::array_t<int>(static_cast<py::ssize_t>(kept.size()), kept.data());
        },
        py::arg("xyxy"), py::arg("score"), py::arg("class_id"), py::kw_only(), py::arg("iou") = defaults.iou,
        py::arg("class_agnostic") = defaults.class_agnostic,
        py::arg("max_detections") = defaults.max_detections,
        R"(Greedy non-maximum suppression over boxes sorted by falling score (see `sort_descending`).

IoU as torchvision computes it, in float32; 0/0 never suppresses. Classes are compared exactly, not by an offset.

Args:
    xyxy: (n, 4) boxes.
    score: (n,) scores, falling.
    class_id: (n,) class ids, 0..65535.
    iou: Suppress a box whose IoU with a kept one is greater than this, 0..1.
    class_agnostic: Boxes of different classes suppress each other too.
    max_detections: Stop after this many kept boxes; at least 1.

Returns:
    int32 (m,): the indices of the kept boxes, in order.

Raises:
    ValueError: Shapes that do not agree, an option or class id outside its range.)");
}

}  // namespace yolo_edge
