#include "yolo_edge/output_proposals.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "random.h"
#include "sigmoid.h"
#include "yolo_edge/postprocessor.h"

using namespace yolo_edge;
using yolo_edge::testing::Random;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr int classes = 4;
constexpr int channels = 5 + classes;
constexpr SizeHW tensor = {64, 96};

const std::vector<HeadSpec> heads = {{32, {{116, 90}, {156, 198}}}, {8, {{10, 13}, {16, 30}, {33, 23}}}};

int ny(const HeadSpec& head) {
    return tensor.height / head.stride;
}
int nx(const HeadSpec& head) {
    return tensor.width / head.stride;
}
int anchors(const HeadSpec& head) {
    return static_cast<int>(head.anchors.size());
}

bool same_bits(const std::vector<Proposal>& a, const std::vector<Proposal>& b) {
    return a.size() == b.size() &&
           (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(Proposal)) == 0);
}

/// Raw planes of a head.
std::vector<float> random_planes(Random& random, const HeadSpec& head, int damaged) {
    const int count = anchors(head) * channels * ny(head) * nx(head);
    std::vector<float> values = random.floats(static_cast<std::size_t>(count), -6.0F, 4.0F);
    for (int i = 0; i < damaged; ++i) {
        const float bad[] = {not_a_number, infinity, -infinity};
        values[static_cast<std::size_t>(random.bits()) % values.size()] = bad[i % 3];
    }
    return values;
}

/// The same numbers with the channels last: (na, ny * nx, no).
std::vector<float> channels_last(const std::vector<float>& planes, const HeadSpec& head) {
    const int plane = ny(head) * nx(head);
    std::vector<float> out;
    for (int a = 0; a < anchors(head); ++a) {
        for (int cell = 0; cell < plane; ++cell) {
            for (int c = 0; c < channels; ++c) {
                out.push_back(planes[static_cast<std::size_t>((a * channels + c) * plane + cell)]);
            }
        }
    }
    return out;
}

OutputView view(const std::vector<float>& values, std::vector<int> shape) {
    OutputView made;
    made.data = values.data();
    made.dimensions = static_cast<int>(shape.size());
    std::ptrdiff_t stride = 1;
    for (std::size_t i = shape.size(); i-- > 0;) {
        made.shape[i] = shape[i];
        made.strides[i] = stride;
        stride *= shape[i];
    }
    return made;
}

std::vector<Proposal> expected_of(const std::vector<float>& planes, const HeadSpec& head,
                                  const ProposalOptions& options) {
    ProposalBuffers buffers;
    std::vector<Proposal> out;
    const int plane = ny(head) * nx(head);
    generate_proposals({planes.data(), anchors(head) * channels, ny(head), nx(head), plane}, head, options,
                       buffers, out);
    return out;
}

std::vector<Proposal> found(const OutputView& output, OutputSpec spec, const std::vector<HeadSpec>& specs,
                            const ProposalOptions& options) {
    std::vector<Proposal> out;
    generate_output_proposals(output, spec, specs.data(), specs.size(), tensor, options, out);
    return out;
}

}  // namespace

TEST_CASE("logits in every layout give the boxes of raw planes, bit for bit") {
    Random random(1);
    for (int round = 0; round < 40; ++round) {
        ProposalOptions options;
        options.confidence = round % 5 == 0 ? 0.0F : 0.2F;
        options.multi_label = round % 2 == 1;
        if (round % 3 == 2) options.classes = {0, 2};
        std::vector<float> rows;
        std::vector<Proposal> all;
        for (const HeadSpec& head : heads) {
            const std::vector<float> planes = random_planes(random, head, round % 4 == 3 ? 40 : 0);
            const std::vector<float> last = channels_last(planes, head);
            const std::vector<Proposal> expected = expected_of(planes, head, options);
            CHECK(same_bits(found(view(planes, {anchors(head) * channels, ny(head), nx(head)}),
                                  {OutputLayout::planes, Activation::none}, {head}, options),
                            expected));
            CHECK(same_bits(found(view(last, {anchors(head), ny(head), nx(head), channels}),
                                  {OutputLayout::cells, Activation::none}, {head}, options),
                            expected));
            CHECK(same_bits(found(view(last, {anchors(head), ny(head) * nx(head), channels}),
                                  {OutputLayout::flat_cells, Activation::none}, {head}, options),
                            expected));
            all.insert(all.end(), expected.begin(), expected.end());
            rows.insert(rows.end(), last.begin(), last.end());
        }
        const int count = static_cast<int>(rows.size()) / channels;
        CHECK(same_bits(
            found(view(rows, {count, channels}), {OutputLayout::rows, Activation::none}, heads, options),
            all));
    }
}

TEST_CASE("sigmoided numbers give the boxes of their logits, bit for bit") {
    Random random(2);
    for (int round = 0; round < 20; ++round) {
        ProposalOptions options;
        options.confidence = 0.3F;
        options.multi_label = round % 2 == 1;
        const HeadSpec& head = heads[1];
        const std::vector<float> planes = random_planes(random, head, 0);
        std::vector<float> sigmoided = planes;
        for (float& value : sigmoided) value = sigmoid(value);
        const std::vector<Proposal> expected = expected_of(planes, head, options);
        REQUIRE(!expected.empty());
        CHECK(same_bits(found(view(sigmoided, {anchors(head) * channels, ny(head), nx(head)}),
                              {OutputLayout::planes, Activation::sigmoid}, {head}, options),
                        expected));
        const std::vector<float> last = channels_last(sigmoided, head);
        const int count = static_cast<int>(last.size()) / channels;
        CHECK(same_bits(
            found(view(last, {count, channels}), {OutputLayout::rows, Activation::sigmoid}, {head}, options),
            expected));
    }
}

TEST_CASE("decoded rows are boxes as they stand") {
    const std::vector<float> rows = {
        20,           30,   8,    4,  0.9F, 0.5F, 0.8F,  // the best class
        20,           30,   8,    4,  0.5F, 0.5F, 0.4F,  // at the threshold
        20,           30,   -8,   4,  0.9F, 0.9F, 0.9F,  // no box
        not_a_number, 30,   8,    4,  0.9F, 0.9F, 0.9F, 20,   30,           8,   4,
        not_a_number, 0.9F, 0.9F, 20, 30,   8,    4,    0.9F, not_a_number, 0.6F};
    ProposalOptions options;
    options.confidence = 0.25F;
    const OutputSpec spec = {OutputLayout::rows, Activation::decoded};
    std::vector<Proposal> boxes = found(view(rows, {6, 7}), spec, {}, options);
    REQUIRE(boxes.size() == 2);
    CHECK(boxes[0].x0 == 16);
    CHECK(boxes[0].y0 == 28);
    CHECK(boxes[0].x1 == 24);
    CHECK(boxes[0].y1 == 32);
    CHECK(boxes[0].score == 0.9F * 0.8F);
    CHECK(boxes[0].class_id == 1);
    CHECK(boxes[1].score == 0.9F * 0.6F);
    options.multi_label = true;
    CHECK(found(view(rows, {6, 7}), spec, {}, options).size() == 3);
    options.classes = {0};
    CHECK(found(view(rows, {6, 7}), spec, {}, options).size() == 1);
}

TEST_CASE("outputs may have any strides") {
    Random random(3);
    const HeadSpec& head = heads[0];
    const std::vector<float> planes = random_planes(random, head, 0);
    OutputView permuted;  // (na, ny, nx, no) as numpy's transpose of the planes gives it
    permuted.data = planes.data();
    permuted.dimensions = 4;
    permuted.shape = {anchors(head), ny(head), nx(head), channels};
    permuted.strides = {channels * ny(head) * nx(head), nx(head), 1, ny(head) * nx(head)};
    CHECK(same_bits(found(permuted, {OutputLayout::cells, Activation::none}, {head}, {}),
                    expected_of(planes, head, {})));
}

TEST_CASE("the postprocessor takes raw planes the fast way and other forms the slow one") {
    Random random(4);
    LetterboxOptions letterbox;
    letterbox.size = {96, 96};
    const LetterboxGeometry geometry = letterbox_geometry({60, 96}, letterbox);
    REQUIRE(geometry.tensor.height == tensor.height);
    std::vector<std::vector<float>> planes;
    std::vector<float> rows;
    std::vector<HeadView> views;
    std::vector<OutputView> outputs;
    for (const HeadSpec& head : heads) {
        planes.push_back(random_planes(random, head, 5));
        const std::vector<float> last = channels_last(planes.back(), head);
        rows.insert(rows.end(), last.begin(), last.end());
    }
    for (std::size_t i = 0; i < heads.size(); ++i) {
        const int plane = ny(heads[i]) * nx(heads[i]);
        views.push_back({planes[i].data(), anchors(heads[i]) * channels, ny(heads[i]), nx(heads[i]), plane});
        outputs.push_back(view(planes[i], {anchors(heads[i]) * channels, ny(heads[i]), nx(heads[i])}));
    }
    Postprocessor raw(heads);
    const std::vector<Proposal> expected = raw.run(views, geometry, {}, {});
    REQUIRE(!expected.empty());
    CHECK(same_bits(raw.run_outputs(outputs, geometry, {}, {}), expected));
    Postprocessor by_rows(heads, {{OutputLayout::rows, Activation::none}});
    const int count = static_cast<int>(rows.size()) / channels;
    CHECK(same_bits(by_rows.run_outputs({view(rows, {count, channels})}, geometry, {}, {}), expected));
    CHECK_THROWS_WITH_AS(by_rows.run_outputs(outputs, geometry, {}, {}), "got 2 outputs; this model has 1",
                         std::invalid_argument);
}

TEST_CASE("outputs that do not fit are refused") {
    const std::vector<float> values(100000);
    const HeadSpec& head = heads[1];  // 3 anchors, 8 x 12 cells
    const OutputSpec cells = {OutputLayout::cells, Activation::none};
    CHECK_THROWS_WITH_AS(found(view(values, {3, 8, 11, 9}), cells, {head}, {}),
                         "the output of the head of stride 8 is (3, 8, 11, 9); as na,h,w,no with 3 anchors a "
                         "tensor of 64x96 gives 8x12 cells and at least 6 numbers per anchor",
                         std::invalid_argument);
    CHECK_THROWS_AS(found(view(values, {2, 8, 12, 9}), cells, {head}, {}), std::invalid_argument);
    CHECK_THROWS_AS(found(view(values, {3, 8, 12, 5}), cells, {head}, {}), std::invalid_argument);
    CHECK_THROWS_WITH_AS(found(view(values, {3, 96, 9}), cells, {head}, {}),
                         "an output is (3, 96, 9); na,h,w,no has 4 dimensions", std::invalid_argument);
    CHECK_THROWS_AS(found(view(values, {28, 8, 12}), {OutputLayout::planes, Activation::sigmoid}, {head}, {}),
                    std::invalid_argument);
    CHECK_THROWS_AS(found(view(values, {3, 95, 9}), {OutputLayout::flat_cells, Activation::none}, {head}, {}),
                    std::invalid_argument);
    CHECK_THROWS_WITH_AS(found(view(values, {287, 9}), {OutputLayout::rows, Activation::sigmoid}, {head}, {}),
                         "an output is (287, 9); with a tensor of 64x96 the heads give 288 rows",
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(found(view(values, {287, 5}), {OutputLayout::rows, Activation::decoded}, {}, {}),
                         "an output is (287, 5); n,no has at least 6 columns", std::invalid_argument);
    ProposalOptions options;
    options.classes = {4};
    CHECK_THROWS_WITH_AS(found(view(values, {3, 8, 12, 9}), cells, {head}, options),
                         "classes holds 4; the model's class ids are 0..3", std::invalid_argument);
}

TEST_CASE("specs that do not go together are refused") {
    const OutputSpec planes;
    const OutputSpec rows = {OutputLayout::rows, Activation::sigmoid};
    const OutputSpec decoded = {OutputLayout::rows, Activation::decoded};
    CHECK_THROWS_WITH_AS(Postprocessor(heads, {planes}),
                         "got 1 outputs for 2 heads; there must be one for each, or one of n,no",
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(Postprocessor(heads, {planes, rows}),
                         "got 2 outputs; one of n,no must be the only one", std::invalid_argument);
    CHECK_THROWS_WITH_AS(Postprocessor({}, std::vector<OutputSpec>{rows}),
                         "heads is empty; only a decoded output needs none", std::invalid_argument);
    CHECK_THROWS_WITH_AS(Postprocessor(heads, {{OutputLayout::cells, Activation::decoded}, planes}),
                         "a decoded output is na,h,w,no; it must be n,no", std::invalid_argument);
    CHECK(Postprocessor({}, std::vector<OutputSpec>{decoded}).outputs().size() == 1);
}
