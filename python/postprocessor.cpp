#include "yolo_edge/postprocessor.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "arrays.h"
#include "register.h"
#include "simd.h"

namespace py = pybind11;

namespace yolo_edge {
namespace {

/// A Postprocessor that Python threads may share: calls queue, because the buffers serve one call at a time.
class SharedPostprocessor {
  public:
    SharedPostprocessor(std::vector<HeadSpec> heads, SimdLevel simd)
        : postprocessor_(std::move(heads), simd), raw_heads_(true) {}
    SharedPostprocessor(std::vector<HeadSpec> heads, std::vector<OutputSpec> outputs, SimdLevel simd)
        : postprocessor_(std::move(heads), std::move(outputs), simd), raw_heads_(false) {}

    const std::vector<HeadSpec>& heads() const { return postprocessor_.heads(); }

    py::tuple run(const std::vector<py::array>& head_arrays, const LetterboxGeometry& geometry,
                  float confidence, float iou, std::optional<std::vector<int>> classes, bool class_agnostic,
                  bool multi_label, int max_detections, int max_candidates) {
        std::vector<HeadView> views;
        std::vector<OutputView> outputs;
        if (raw_heads_) {
            for (const py::array& head : head_arrays) views.push_back(head_view(head));
        } else {
            outputs = output_views(head_arrays);
        }
        ProposalOptions proposal_options;
        proposal_options.confidence = confidence;
        proposal_options.multi_label = multi_label;
        if (classes) proposal_options.classes = std::move(*classes);
        NmsOptions nms_options;
        nms_options.iou = iou;
        nms_options.class_agnostic = class_agnostic;
        nms_options.max_detections = max_detections;
        nms_options.max_candidates = max_candidates;
        std::vector<Proposal> detections;
        {
            const py::gil_scoped_release unlocked;
            const std::lock_guard<std::mutex> queue(mutex_);
            detections = raw_heads_
                             ? postprocessor_.run(views, geometry, proposal_options, nms_options)
                             : postprocessor_.run_outputs(outputs, geometry, proposal_options, nms_options);
        }
        return arrays_of(detections);
    }

  private:
    std::vector<OutputView> output_views(const std::vector<py::array>& arrays) const {
        const std::vector<OutputSpec>& specs = postprocessor_.outputs();
        if (arrays.size() != specs.size()) {
            throw std::invalid_argument("got " + std::to_string(arrays.size()) + " outputs; this model has " +
                                        std::to_string(specs.size()));
        }
        std::vector<OutputView> views;
        for (std::size_t i = 0; i < specs.size(); ++i)
            views.push_back(output_view(arrays[i], specs[i].layout));
        return views;
    }

    std::mutex mutex_;
    Postprocessor postprocessor_;
    bool raw_heads_;
};

template <typename T>
T named(const char* what, const std::string& name, const std::vector<std::pair<const char*, T>>& known) {
    std::string names;
    for (const auto& [known_name, value] : known) {
        if (name == known_name) return value;
        names += (names.empty() ? "" : ", ") + std::string(known_name);
    }
    throw std::invalid_argument(std::string(what) + " is '" + name + "'; it must be one of " + names);
}

OutputSpec output_spec(const std::string& layout, const std::string& activation) {
    return {named<OutputLayout>("layout", layout,
                                {{"c,h,w", OutputLayout::planes},
                                 {"na,h,w,no", OutputLayout::cells},
                                 {"na,h*w,no", OutputLayout::flat_cells},
                                 {"n,no", OutputLayout::rows}}),
            named<Activation>("activation", activation,
                              {{"none", Activation::none},
                               {"sigmoid", Activation::sigmoid},
                               {"decoded", Activation::decoded}})};
}

}  // namespace

void register_postprocessor(py::module_& m) {
    const ProposalOptions proposal_defaults;
    const NmsOptions nms_defaults;
    py::class_<SharedPostprocessor>(m, "Postprocessor", R"(From raw heads to final boxes in one call.

Proposals, sort, NMS, back to the source image. Owns its working memory. Threads may share an object; their calls
queue.

Args:
    heads: (stride, [(width, height), ...] of the anchors in tensor pixels) per head, in the order of the head arrays.
    outputs: (layout, activation) of each array that `run` gets: layout "c,h,w", "na,h,w,no", "na,h*w,no" or "n,no" (all
        heads in one), activation "none", "sigmoid" or "decoded" (n,no only; heads may then be empty). None means raw
        heads, that is ("c,h,w", "none") for each.
    simd: One of `simd_levels()`, None for the fastest; the result is the same.

Raises:
    ValueError: Outputs that do not go with the heads, no head, a stride below 1, a head without anchors or with one that has no positive size.

Example:
    >>> import numpy
    >>> geometry = letterbox_geometry((480, 640), size_hw=(640, 640), stride=32)
    >>> head = numpy.zeros((3 * (80 + 5), 480 // 8, 640 // 8), numpy.float32)     # every score is 0.25
    >>> postprocessor = Postprocessor([(8, [(10, 13), (16, 30), (33, 23)])])
    >>> xyxy, confidence, class_id = postprocessor.run([head], geometry, confidence=0.5)
    >>> xyxy.shape
    (0, 4))")
        .def(py::init([](const std::vector<std::pair<int, AnchorPairs>>& heads,
                         const std::optional<std::vector<std::pair<std::string, std::string>>>& outputs,
                         const std::optional<std::string>& simd) {
                 std::vector<HeadSpec> specs;
                 for (const auto& [stride, anchors_px] : heads)
                     specs.push_back(head_spec(stride, anchors_px));
                 if (!outputs) {
                     return std::make_unique<SharedPostprocessor>(std::move(specs), simd_level(simd));
                 }
                 std::vector<OutputSpec> output_specs;
                 for (const auto& [layout, activation] : *outputs)
                     output_specs.push_back(output_spec(layout, activation));
                 return std::make_unique<SharedPostprocessor>(std::move(specs), std::move(output_specs),
                                                              simd_level(simd));
             }),
             py::arg("heads"), py::kw_only(), py::arg("outputs") = py::none(), py::arg("simd") = py::none())
        .def("run", &SharedPostprocessor::run, py::arg("head_arrays"), py::arg("geometry"), py::kw_only(),
             py::arg("confidence") = proposal_defaults.confidence, py::arg("iou") = nms_defaults.iou,
             py::arg("classes") = py::none(), py::arg("class_agnostic") = nms_defaults.class_agnostic,
             py::arg("multi_label") = proposal_defaults.multi_label,
             py::arg("max_detections") = nms_defaults.max_detections,
             py::arg("max_candidates") = nms_defaults.max_candidates,
             R"(Decodes the heads of one image.

Args:
    head_arrays: One per head: float32 (anchors * (5 + classes), ny, nx), or with a leading 1; no sigmoid applied. Planes
        contiguous, any distance between them. With `outputs`, one per output, float32 in its layout, any strides.
    geometry: What the image was letterboxed with.
    confidence: Keep scores strictly greater than this, 0..1. Low values cost time.
    iou: Suppress a box whose IoU with a better one is greater than this, 0..1.
    classes: Keep only these class ids; None keeps all.
    class_agnostic: Boxes of different classes suppress each other too.
    multi_label: Keep every class above the threshold, not the best one of a cell only.
    max_detections: Return at most this many boxes; at least 1.
    max_candidates: Only this many best boxes enter NMS; at least 1.

Returns:
    (xyxy float32 (n, 4) in pixels of the source image, confidence float32 (n,), class_id int32 (n,)), freshly
    allocated, highest confidence first.

Raises:
    ValueError: Heads of another number, type, shape or layout than the specification and the geometry give, an option
        outside its range, an unknown class id.)")
        .def("__repr__", [](const SharedPostprocessor& self) {
            py::list heads;
            for (const HeadSpec& spec : self.heads()) {
                py::list anchors;
                for (const Anchor& anchor : spec.anchors)
                    anchors.append(py::make_tuple(anchor.width, anchor.height));
                heads.append(py::make_tuple(spec.stride, anchors));
            }
            return py::str("Postprocessor({})").format(heads);
        });
}

}  // namespace yolo_edge
