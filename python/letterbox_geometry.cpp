#include "yolo_edge/letterbox_geometry.h"

#include <pybind11/operators.h>
#include <pybind11/stl.h>

#include <stdexcept>
#include <string>

#include "arrays.h"
#include "register.h"

namespace py = pybind11;

namespace yolo_edge {
namespace {

const char* name_of(LetterboxMode mode) {
    switch (mode) {
        case LetterboxMode::rect:
            return "rect";
        case LetterboxMode::square:
            return "square";
        case LetterboxMode::stretch:
            return "stretch";
    }
    throw std::invalid_argument("unknown letterbox mode");
}

LetterboxMode letterbox_mode(const std::string& name) {
    for (const LetterboxMode mode : {LetterboxMode::rect, LetterboxMode::square, LetterboxMode::stretch}) {
        if (name == name_of(mode)) return mode;
    }
    throw std::invalid_argument("mode is '" + name + "'; it must be 'rect', 'square' or 'stretch'");
}

py::tuple padding(const LetterboxGeometry& g) {
    return py::make_tuple(g.top, g.left, g.bottom, g.right);
}

}  // namespace

void register_letterbox_geometry(py::module_& m) {
    py::class_<LetterboxGeometry>(m, "LetterboxGeometry",
                                  R"(Where a source image lies in the tensor; all numbers are pixels.

Made by `letterbox_geometry`; read-only.)")
        .def_property_readonly(
            "mode", [](const LetterboxGeometry& g) { return name_of(g.mode); },
            "'rect', 'square' or 'stretch'.")
        .def_property_readonly(
            "source_hw", [](const LetterboxGeometry& g) { return pair_hw(g.source); },
            "(height, width) of the source image.")
        .def_property_readonly(
            "tensor_hw", [](const LetterboxGeometry& g) { return pair_hw(g.tensor); },
            "(height, width) of the tensor: resized image plus padding.")
        .def_property_readonly(
            "resized_hw", [](const LetterboxGeometry& g) { return pair_hw(g.resized); },
            "(height, width) of the resized image inside the tensor.")
        .def_property_readonly("padding", &padding, "(top, left, bottom, right).")
        .def(
            "__eq__",
            [](const LetterboxGeometry& a, const LetterboxGeometry& b) {
                return a.mode == b.mode && a.source == b.source && a.tensor == b.tensor &&
                       a.resized == b.resized && a.top == b.top && a.left == b.left && a.bottom == b.bottom &&
                       a.right == b.right;
            },
            py::is_operator())
        .def("__hash__",
             [](const LetterboxGeometry& g) {
                 return py::hash(py::make_tuple(name_of(g.mode), pair_hw(g.source), pair_hw(g.tensor),
                                                pair_hw(g.resized), padding(g)));
             })
        .def("__repr__", [](const LetterboxGeometry& g) {
            return py::str(
                       "LetterboxGeometry(mode='{}', source_hw={}, tensor_hw={}, resized_hw={}, padding={})")
                .format(name_of(g.mode), pair_hw(g.source), pair_hw(g.tensor), pair_hw(g.resized),
                        padding(g));
        });

    const LetterboxOptions defaults;
    m.def(
        "letterbox_geometry",
        [](PairHW source_hw, PairHW size, int stride, const std::string& mode, bool scale_up) {
            LetterboxOptions options;
            options.size = size_hw(size);
            options.stride = stride;
            options.mode = letterbox_mode(mode);
            options.scale_up = scale_up;
            return letterbox_geometry(size_hw(source_hw), options);
        },
        py::arg("source_hw"), py::kw_only(), py::arg("size_hw"), py::arg("stride"),
        py::arg("mode") = name_of(defaults.mode), py::arg("scale_up") = defaults.scale_up,
        R"(Computes where an image goes in the tensor, as YOLOv5's `letterbox` does.

Args:
    source_hw: (height, width) of the image, pixels.
    size_hw: (height, width) of the largest tensor, pixels.
    stride: The network's largest stride, pixels; used by mode 'rect'.
    mode: 'rect' pads each side to the next multiple of the stride, 'square' to the full size, 'stretch' fills the
        full size without keeping the aspect ratio.
    scale_up: False keeps the pixels of an image that is smaller than `size_hw`.

Returns:
    The geometry. A side that would be resized to 0 pixels becomes 1 pixel.

Raises:
    ValueError: A side outside 1..32768, a stride below 1, an unknown mode, or in mode 'rect' a size that is no
        multiple of the stride.

Example:
    >>> letterbox_geometry((720, 1280), size_hw=(640, 640), stride=32).tensor_hw
    (384, 640))");
}

}  // namespace yolo_edge
