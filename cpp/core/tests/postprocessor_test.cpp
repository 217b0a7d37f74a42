#include "yolo_edge/postprocessor.h"

#include <doctest/doctest.h>

#include <stdexcept>

#include "random.h"
#include "yolo_edge/scale_boxes.h"

using namespace yolo_edge;
using yolo_edge::testing::Random;

namespace {

const std::vector<HeadSpec> specs = {{32, {{116, 90}}}, {16, {{30, 61}}}};

LetterboxGeometry geometry() {
    LetterboxOptions options;
    options.size = {128, 128};
    return letterbox_geometry({90, 200}, options);  // tensor 64 x 128
}

}  // namespace

TEST_CASE("the postprocessor is its steps in a row, on the first call and on later ones") {
    Random random(1);
    Postprocessor postprocessor(specs);
    for (int round = 0; round < 10; ++round) {
        const std::vector<float> coarse = random.floats(8 * 2 * 4, -3, 3);
        const std::vector<float> fine = random.floats(8 * 4 * 8, -3, 3);
        const std::vector<HeadView> views = {{coarse.data(), 8, 2, 4, 8}, {fine.data(), 8, 4, 8, 32}};
        const ProposalOptions proposal_options;
        NmsOptions nms_options;
        nms_options.max_candidates = 12;

        std::vector<Proposal> proposals;
        ProposalBuffers proposal_buffers;
        SortBuffers sort_buffers;
        NmsBuffers nms_buffers;
        std::vector<int> kept;
        for (std::size_t i = 0; i < 2; ++i) {
            generate_proposals(views[i], specs[i], proposal_options, proposal_buffers, proposals);
        }
        sort_descending(proposals, nms_options.max_candidates, sort_buffers);
        nms_sorted(proposals, nms_options, nms_buffers, kept);
        scale_boxes(proposals, geometry());

        const std::vector<Proposal>& found =
            postprocessor.run(views, geometry(), proposal_options, nms_options);
        REQUIRE(found.size() == kept.size());
        for (std::size_t i = 0; i < found.size(); ++i) {
            const Proposal& expected = proposals[static_cast<std::size_t>(kept[i])];
            CHECK(found[i].x0 == expected.x0);
            CHECK(found[i].y1 == expected.y1);
            CHECK(found[i].score == expected.score);
            CHECK(found[i].class_id == expected.class_id);
        }
    }
}

TEST_CASE("the postprocessor finds nothing in silent heads") {
    Postprocessor postprocessor(specs);
    const std::vector<float> silent(8 * 4 * 8, -20.0F);
    CHECK(postprocessor.run({{silent.data(), 8, 2, 4, 8}, {silent.data(), 8, 4, 8, 32}}, geometry(), {}, {})
              .empty());
}

TEST_CASE("the postprocessor refuses heads that are not the model's") {
    Postprocessor postprocessor(specs);
    const std::vector<float> values(8 * 4 * 8);
    const HeadView coarse = {values.data(), 8, 2, 4, 8};
    const HeadView fine = {values.data(), 8, 4, 8, 32};
    CHECK_THROWS_WITH_AS(Postprocessor({}), "heads is empty; a detector has at least one",
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(postprocessor.run({coarse}, geometry(), {}, {}), "got 1 heads; this model has 2",
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(postprocessor.run({fine, coarse}, geometry(), {}, {}),
                         "head 0 is 4x8 cells; at stride 32 a tensor of 64x128 gives 2x4",
                         std::invalid_argument);
}
