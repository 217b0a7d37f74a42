#include "yolo_edge/proposals.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <optional>
#include <vector>

#include "arrays.h"
#include "register.h"

namespace py = pybind11;

namespace yolo_edge {

void register_proposals(py::module_& m) {
    const ProposalOptions defaults;
    m.def(
        "generate_proposals",
        [](const py::array& head, int stride, const AnchorPairs& anchors_px, float confidence,
           bool multi_label, const std::optional<std::vector<int>>& classes) {
            const HeadView view = head_view(head);
            const HeadSpec spec = head_spec(stride, anchors_px);
            ProposalOptions options;
            options.confidence = confidence;
            options.multi_label = multi_label;
            options.classes = classes.value_or(std::vector<int>{});
            ProposalBuffers buffers;
            std::vector<Proposal> proposals;
            {
                const py::gil_scoped_release unlocked;
                generate_proposals(view, spec, options, buffers, proposals);
            }
            return arrays_of(proposals);
        },
        py::arg("head"), py::kw_only(), py::arg("stride"), py::arg("anchors_px"),
        py::arg("confidence") = defaults.confidence, py::arg("multi_label") = defaults.multi_label,
        py::arg("classes") = py::none(),
        R"(Decodes one raw head into scored boxes.

xy = (2 s(t) - 0.5 + cell) * stride, wh = (2 s(t))^2 * anchor, score = s(objectness) * s(class), s = sigmoid
(YOLOv5, models/yolo.py, class Detect). In the order of YOLOv5: anchor, row, column, class. NaN and infinite logits
make no box.

Args:
    head: float32 (anchors * (5 + classes), ny, nx), or with a leading 1; no sigmoid applied. Planes contiguous, any
        distance between them.
    stride: Tensor pixels per cell.
    anchors_px: (width, height) of each anchor in tensor pixels.
    confidence: Keep scores strictly greater than this, 0..1.
    multi_label: Keep every class above the threshold, not the best one only.
    classes: Keep only these class ids; None keeps all.

Returns:
    (xyxy float32 (n, 4) in tensor pixels, score float32 (n,), class_id int32 (n,)).

Raises:
    ValueError: A bad array, channels that do not fit the anchors, a threshold outside 0..1, an unknown class id.)");
}

}  // namespace yolo_edge
