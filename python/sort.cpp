#include "yolo_edge/sort.h"

#include <pybind11/numpy.h>

#include <vector>

#include "arrays.h"
#include "register.h"
#include "yolo_edge/nms.h"

namespace py = pybind11;

namespace yolo_edge {

void register_sort(py::module_& m) {
    m.def(
        "sort_descending",
        [](const py::array& xyxy, const py::array& score, const py::array& class_id, int max_candidates) {
            std::vector<Proposal> proposals = proposals_of(xyxy, score, class_id);
            SortBuffers buffers;
            {
                const py::gil_scoped_release unlocked;
                sort_descending(proposals, max_candidates, buffers);
            }
            return arrays_of(proposals);
        },
        py::arg("xyxy"), py::arg("score"), py::arg("class_id"), py::kw_only(),
        py::arg("max_candidates") = NmsOptions{}.max_candidates,
        R"(Sorts boxes by score, highest first, equals in their old order, and keeps the first `max_candidates`.

Args:
    xyxy: (n, 4) boxes.
    score: (n,) scores.
    class_id: (n,) class ids.
    max_candidates: At most this many boxes are returned; at least 1.

Returns:
    The three arrays, sorted: float32 (m, 4), float32 (m,), int32 (m,).

Raises:
    ValueError: Shapes that do not agree, max_candidates below 1.)");
}

}  // namespace yolo_edge
