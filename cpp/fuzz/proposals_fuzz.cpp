// From raw heads, and from outputs of every other form, to boxes: hostile numbers, shapes, strides and
// options. Every instruction set must refuse the same and give the same bits; every box must be finite and
// inside of the image.

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "fuzz_input.h"
#include "yolo_edge/postprocessor.h"

using namespace yolo_edge;
using yolo_edge::fuzz::FuzzInput;
using yolo_edge::fuzz::require;

namespace {

/// An output with exactly the floats that its shape and strides reach.
struct Output {
    std::vector<float> numbers;
    OutputView view;
};

/// Mostly logits around 0, some of them hostile.
void fill(std::vector<float>& numbers, FuzzInput& input) {
    std::uint32_t noise = input.any<std::uint32_t>();
    const int hostile = input.between(1, 64);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        noise = noise * 1664525U + 1013904223U;  // Numerical Recipes
        numbers[i] = static_cast<float>(noise >> 8) * (16.0F / 16777216.0F) - 8.0F;
        if (i % static_cast<std::size_t>(hostile) == 0) numbers[i] = input.mostly_between(-9.0F, 9.0F);
    }
}

OutputView shaped(OutputLayout layout, int anchors, int no, int ny, int nx, int rows) {
    OutputView view;
    switch (layout) {
        case OutputLayout::planes:
            view.dimensions = 3;
            view.shape = {anchors * no, ny, nx, 0};
            break;
        case OutputLayout::cells:
            view.dimensions = 4;
            view.shape = {anchors, ny, nx, no};
            break;
        case OutputLayout::flat_cells:
            view.dimensions = 3;
            view.shape = {anchors, ny * nx, no, 0};
            break;
        case OutputLayout::rows:
            view.dimensions = 2;
            view.shape = {rows, no, 0, 0};
            break;
    }
    return view;
}

/// Strides from the innermost dimension outwards, with gaps, and the numbers that they reach.
Output backed(OutputView view, FuzzInput& input) {
    std::ptrdiff_t next = 1;
    std::ptrdiff_t last = 0;
    for (int d = view.dimensions - 1; d >= 0; --d) {
        const auto at = static_cast<std::size_t>(d);
        view.strides[at] = next + (input.any<std::uint8_t>() % 8 == 0 ? input.between(0, 5) : 0);
        last += (view.shape[at] - 1) * view.strides[at];
        next = view.strides[at] * view.shape[at];
    }
    Output output;
    output.numbers.resize(static_cast<std::size_t>(last + 1));
    fill(output.numbers, input);
    view.data = output.numbers.data();
    output.view = view;
    return output;
}

bool same(const std::vector<Proposal>& a, const std::vector<Proposal>& b) {
    return a.size() == b.size() &&
           (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof a[0]) == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    FuzzInput input(data, size);
    const int classes = input.between(1, 12);
    const int no = 5 + classes;
    const SizeHW tensor = {8 * input.between(1, 20), 8 * input.between(1, 20)};
    LetterboxOptions fit;
    fit.size = tensor;
    fit.mode = static_cast<LetterboxMode>(input.between(1, 2));
    const LetterboxGeometry geometry =
        letterbox_geometry({input.between(1, 300), input.between(1, 300)}, fit);

    std::vector<HeadSpec> heads(static_cast<std::size_t>(input.between(1, 3)));
    int rows = 0;
    for (HeadSpec& head : heads) {
        head.stride =
            input.any<std::uint8_t>() % 8 == 0 ? input.mostly_between(1, 64) : 8 << input.between(0, 2);
        head.anchors.resize(static_cast<std::size_t>(input.between(1, 3)));
        for (Anchor& anchor : head.anchors) {
            anchor = {input.mostly_between(1.0F, 300.0F), input.mostly_between(1.0F, 300.0F)};
        }
        if (head.stride > 0) {
            rows += static_cast<int>(head.anchors.size()) * (tensor.height / head.stride) *
                    (tensor.width / head.stride);
        }
    }

    const bool one_list = input.flag();
    std::vector<OutputSpec> specs(one_list ? 1 : heads.size());
    std::vector<Output> outputs;
    bool reshaped = false;  // which may also change the number of classes
    for (std::size_t i = 0; i < specs.size(); ++i) {
        specs[i].layout = one_list ? OutputLayout::rows : static_cast<OutputLayout>(input.between(0, 2));
        specs[i].activation = static_cast<Activation>(input.between(0, one_list ? 2 : 1));
        const int stride = heads[i].stride > 0 ? heads[i].stride : 8;
        OutputView view = shaped(specs[i].layout, static_cast<int>(heads[i].anchors.size()), no,
                                 tensor.height / stride, tensor.width / stride, rows);
        for (int d = 0; d < view.dimensions; ++d) {
            int& side = view.shape[static_cast<std::size_t>(d)];
            if (input.any<std::uint8_t>() % 64 == 0) {
                side = input.between(0, 40);
                reshaped = true;
            }
            if (side < 1) return 0;  // no memory to lend; the refusal of such shapes has its own tests
        }
        outputs.push_back(backed(view, input));
    }
    const bool logits = std::all_of(specs.begin(), specs.end(),
                                    [](OutputSpec spec) { return spec.activation == Activation::none; });
    std::vector<OutputView> views;
    for (const Output& output : outputs) views.push_back(output.view);

    ProposalOptions proposal_options;
    proposal_options.confidence = input.mostly_between(0.0F, 0.6F);
    proposal_options.multi_label = input.flag();
    for (int i = input.between(0, 2); i > 0; --i) {
        proposal_options.classes.push_back(input.mostly_between(0, classes - 1));
    }
    NmsOptions nms_options;
    nms_options.iou = input.mostly_between(0.0F, 1.0F);
    nms_options.class_agnostic = input.flag();
    nms_options.max_candidates = 1000;

    std::vector<Proposal> expected;
    bool refused = false;
    for (const SimdLevel level : simd_levels()) {
        std::vector<Proposal> boxes;
        bool refuses = false;
        try {
            Postprocessor postprocessor(heads, specs, level);
            boxes = postprocessor.run_outputs(views, geometry, proposal_options, nms_options);
        } catch (const std::invalid_argument&) {
            refuses = true;
        }
        if (level == SimdLevel::scalar) {
            expected = boxes;
            refused = refuses;
        }
        require(refuses == refused);
        require(same(boxes, expected));
    }
    for (const Proposal& box : expected) {
        // Scores above 1 can only come from outputs that were given as probabilities and are none.
        require(box.score > 0 && std::isfinite(box.score) && (box.score <= 1 || !logits));
        require(box.class_id >= 0 && (box.class_id < classes || reshaped));
        require(box.x0 >= 0 && box.x0 <= box.x1 && box.x1 <= static_cast<float>(geometry.source.width));
        require(box.y0 >= 0 && box.y0 <= box.y1 && box.y1 <= static_cast<float>(geometry.source.height));
    }
    return 0;
}
