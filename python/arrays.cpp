#include "arrays.h"

#include <climits>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace py = pybind11;

namespace yolo_edge {
namespace {

/// The array as contiguous numbers of type T; throws what numpy says when that is impossible.
template <typename T>
py::array_t<T> contiguous(const py::array& array) {
    auto converted = py::array_t<T, py::array::c_style | py::array::forcecast>::ensure(array);
    if (!converted) throw py::error_already_set();
    return converted;
}

}  // namespace

std::string describe(const py::array& array) {
    return py::str("{} {}").format(array.dtype(), py::tuple(array.attr("shape"))).cast<std::string>();
}

bool fits_int(const py::array& array) {
    for (py::ssize_t axis = 0; axis < array.ndim(); ++axis) {
        if (array.shape(axis) > INT_MAX) return false;
    }
    return true;
}

HeadSpec head_spec(int stride, const AnchorPairs& anchors_px) {
    HeadSpec spec;
    spec.stride = stride;
    for (const auto& [width, height] : anchors_px) spec.anchors.push_back({width, height});
    return spec;
}

HeadView head_view(const py::array& head) {
    const bool batched = head.ndim() == 4 && head.shape(0) == 1;
    const auto refuse = [&](const char* demand) {
        return std::invalid_argument("a head array is " + describe(head) + "; " + demand);
    };
    if (!has_dtype<float>(head) || !(head.ndim() == 3 || batched) || head.size() == 0 || !fits_int(head)) {
        throw refuse("it must be float32 (channels, ny, nx) or (1, channels, ny, nx) with at least one cell");
    }
    const py::ssize_t axis = batched ? 1 : 0;
    const py::ssize_t channels = head.shape(axis);
    const py::ssize_t ny = head.shape(axis + 1);
    const py::ssize_t nx = head.shape(axis + 2);
    // numpy leaves the stride of an axis of length 1 undefined.
    constexpr py::ssize_t item = sizeof(float);
    const bool contiguous_rows =
        (nx == 1 || head.strides(axis + 2) == item) && (ny == 1 || head.strides(axis + 1) == item * nx);
    const py::ssize_t plane_bytes = channels == 1 ? item * ny * nx : head.strides(axis);
    const bool aligned = reinterpret_cast<std::uintptr_t>(head.data()) % alignof(float) == 0;
    if (!contiguous_rows || plane_bytes % item != 0 || plane_bytes < item * ny * nx || !aligned) {
        throw refuse("its planes must be contiguous and in order (use numpy.ascontiguousarray)");
    }
    HeadView view;
    view.data = static_cast<const float*>(head.data());
    view.channels = static_cast<int>(channels);
    view.ny = static_cast<int>(ny);
    view.nx = static_cast<int>(nx);
    view.plane_stride = plane_bytes / item;
    return view;
}

OutputView output_view(const py::array& output, OutputLayout layout) {
    const int wanted = layout == OutputLayout::rows ? 2 : layout == OutputLayout::cells ? 4 : 3;
    const bool batched = output.ndim() == wanted + 1 && output.shape(0) == 1;
    constexpr py::ssize_t item = sizeof(float);
    bool fits = has_dtype<float>(output) && (output.ndim() == wanted || batched) && output.size() != 0 &&
                fits_int(output) && reinterpret_cast<std::uintptr_t>(output.data()) % alignof(float) == 0;
    OutputView view;
    view.dimensions = wanted;
    for (int i = 0; fits && i < wanted; ++i) {
        const py::ssize_t axis = i + (batched ? 1 : 0);
        const auto at = static_cast<std::size_t>(i);
        fits = output.strides(axis) % item == 0;
        view.shape[at] = static_cast<int>(output.shape(axis));
        view.strides[at] = output.strides(axis) / item;
    }
    if (!fits) {
        throw std::invalid_argument("an output array is " + describe(output) + "; it must be float32 with " +
                                    std::to_string(wanted) +
                                    " dimensions, or one more of length 1, and aligned");
    }
    view.data = static_cast<const float*>(output.data());
    return view;
}

py::array_t<float> xyxy_of(const std::vector<Proposal>& proposals) {
    py::array_t<float> xyxy({static_cast<py::ssize_t>(proposals.size()), py::ssize_t{4}});
    float* corner = xyxy.mutable_data();
    for (const Proposal& proposal : proposals) {
        *corner++ = proposal.x0;
        *corner++ = proposal.y0;
        *corner++ = proposal.x1;
        *corner++ = proposal.y1;
    }
    return xyxy;
}

py::tuple arrays_of(const std::vector<Proposal>& proposals) {
    const auto count = static_cast<py::ssize_t>(proposals.size());
    py::array_t<float> score(count);
    py::array_t<std::int32_t> class_id(count);
    float* next_score = score.mutable_data();
    std::int32_t* next_class = class_id.mutable_data();
    for (const Proposal& proposal : proposals) {
        *next_score++ = proposal.score;
        *next_class++ = proposal.class_id;
    }
    return py::make_tuple(xyxy_of(proposals), std::move(score), std::move(class_id));
}

std::vector<Proposal> proposals_of(const py::array& xyxy) {
    if (xyxy.ndim() != 2 || xyxy.shape(1) != 4) {
        throw std::invalid_argument("xyxy is " + describe(xyxy) + "; it must be (n, 4)");
    }
    const py::array_t<float> corners = contiguous<float>(xyxy);
    std::vector<Proposal> proposals(static_cast<std::size_t>(corners.shape(0)));
    const float* corner = corners.data();
    for (Proposal& proposal : proposals) {
        proposal.x0 = *corner++;
        proposal.y0 = *corner++;
        proposal.x1 = *corner++;
        proposal.y1 = *corner++;
    }
    return proposals;
}

std::vector<Proposal> proposals_of(const py::array& xyxy, const py::array& score, const py::array& class_id) {
    std::vector<Proposal> proposals = proposals_of(xyxy);
    const auto per_box = [&](const py::array& array) {
        return array.ndim() == 1 && array.shape(0) == xyxy.shape(0);
    };
    if (!per_box(score) || !per_box(class_id)) {
        throw std::invalid_argument("xyxy is " + describe(xyxy) + ", score " + describe(score) +
                                    " and class_id " + describe(class_id) +
                                    "; they must be (n, 4), (n,) and (n,)");
    }
    const py::array_t<float> scores = contiguous<float>(score);
    const py::array_t<int> classes = contiguous<int>(class_id);
    for (std::size_t i = 0; i < proposals.size(); ++i) {
        proposals[i].score = scores.data()[i];
        proposals[i].class_id = classes.data()[i];
    }
    return proposals;
}

}  // namespace yolo_edge
