#pragma once

#include <pybind11/numpy.h>

#include <string>
#include <utility>
#include <vector>

#include "yolo_edge/letterbox_geometry.h"
#include "yolo_edge/output_proposals.h"
#include "yolo_edge/proposals.h"

// How numpy arrays and the core's structures become each other; shared by the binding files.

namespace yolo_edge {

template <typename T>
bool has_dtype(const pybind11::array& array) {
    return array.dtype().equal(pybind11::dtype::of<T>());
}

/// "float32 (3, 640, 640)", for error messages.
std::string describe(const pybind11::array& array);

/// Whether every side of the array can be an int of the core.
bool fits_int(const pybind11::array& array);

/// A (height, width) pair.
using PairHW = std::pair<int, int>;
inline SizeHW size_hw(PairHW pair) {
    return {pair.first, pair.second};
}
inline PairHW pair_hw(SizeHW size) {
    return {size.height, size.width};
}

/// (stride, [(w, h), ...]) as Python writes a head.
using AnchorPairs = std::vector<std::pair<float, float>>;
HeadSpec head_spec(int stride, const AnchorPairs& anchors_px);

/// A raw head: float32 (channels, ny, nx) or (1, channels, ny, nx), rows contiguous, any plane stride.
HeadView head_view(const pybind11::array& head);

/// An output in any form: float32 of 2 to 4 dimensions, or with a leading 1; any strides.
OutputView output_view(const pybind11::array& output, OutputLayout layout);

/// The arrays (xyxy float32 (n, 4), score float32 (n,), class_id int32 (n,)), freshly allocated.
pybind11::tuple arrays_of(const std::vector<Proposal>& proposals);
pybind11::array_t<float> xyxy_of(const std::vector<Proposal>& proposals);

/// The opposite of arrays_of; any number type and stride is converted. Throws std::invalid_argument when the
/// shapes do not agree.
std::vector<Proposal> proposals_of(const pybind11::array& xyxy, const pybind11::array& score,
                                   const pybind11::array& class_id);
std::vector<Proposal> proposals_of(const pybind11::array& xyxy);

}  // namespace yolo_edge
