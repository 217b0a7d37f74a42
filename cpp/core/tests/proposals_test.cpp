#include "yolo_edge/proposals.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "random.h"
#include "sigmoid.h"

using namespace yolo_edge;
using yolo_edge::testing::Random;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

struct Head {
    HeadSpec spec;
    int class_count;
    int ny;
    int nx;
    std::ptrdiff_t plane_stride;
    std::vector<float> values;

    Head(HeadSpec spec_, int class_count_, int ny_, int nx_, float fill, int extra = 0)
        : spec(std::move(spec_)),
          class_count(class_count_),
          ny(ny_),
          nx(nx_),
          plane_stride(ny_ * nx_ + extra) {
        values.assign(static_cast<std::size_t>(plane_stride * channels() - extra), fill);
    }

    int channels() const { return static_cast<int>(spec.anchors.size()) * (5 + class_count); }
    HeadView view() const { return {values.data(), channels(), ny, nx, plane_stride}; }
    float& at(int anchor, int channel, int row, int column) {
        return values[static_cast<std::size_t>((anchor * (5 + class_count) + channel) * plane_stride +
                                               row * nx + column)];
    }
};

bool same_bits(const std::vector<Proposal>& a, const std::vector<Proposal>& b) {
    static_assert(sizeof(Proposal) == 6 * 4, "no padding bytes");
    return a.size() == b.size() &&
           (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(Proposal)) == 0);
}

/// What every instruction set finds.
std::vector<Proposal> proposals(const Head& head, const ProposalOptions& options = {}) {
    ProposalBuffers buffers;
    std::vector<Proposal> out;
    generate_proposals(head.view(), head.spec, options, buffers, out, SimdLevel::scalar);
    for (const SimdLevel simd : simd_levels()) {
        CAPTURE(name_of(simd));
        std::vector<Proposal> same;
        generate_proposals(head.view(), head.spec, options, buffers, same, simd);
        CHECK(same_bits(same, out));
    }
    return out;
}

/// Every cell and class decoded and tested, no early rejection.
std::vector<Proposal> naive_proposals(Head head, const ProposalOptions& options) {
    std::vector<Proposal> out;
    for (int a = 0; a < static_cast<int>(head.spec.anchors.size()); ++a) {
        const Anchor anchor = head.spec.anchors[static_cast<std::size_t>(a)];
        for (int row = 0; row < head.ny; ++row) {
            for (int column = 0; column < head.nx; ++column) {
                const auto logit = [&](int channel) { return head.at(a, channel, row, column); };
                bool finite = true;
                for (int i = 0; i < 5; ++i) finite = finite && std::isfinite(logit(i));
                if (!finite) continue;
                int best = -1;
                for (int c = 0; c < head.class_count; ++c) {
                    if (std::isfinite(logit(5 + c)) && (best < 0 || logit(5 + c) > logit(5 + best))) best = c;
                }
                for (int c = 0; c < head.class_count; ++c) {
                    if (!std::isfinite(logit(5 + c)) || (!options.multi_label && c != best)) continue;
                    bool wanted = options.classes.empty();
                    for (const int id : options.classes) wanted = wanted || id == c;
                    const float score = sigmoid(logit(4)) * sigmoid(logit(5 + c));
                    if (!wanted || !(score > options.confidence)) continue;
                    const auto stride = static_cast<float>(head.spec.stride);
                    const float x = (2.0F * sigmoid(logit(0)) + (static_cast<float>(column) - 0.5F)) * stride;
                    const float y = (2.0F * sigmoid(logit(1)) + (static_cast<float>(row) - 0.5F)) * stride;
                    const float w = 2.0F * sigmoid(logit(2)) * (2.0F * sigmoid(logit(2))) * anchor.width;
                    const float h = 2.0F * sigmoid(logit(3)) * (2.0F * sigmoid(logit(3))) * anchor.height;
                    out.push_back({x - w / 2, y - h / 2, x + w / 2, y + h / 2, score, c});
                }
            }
        }
    }
    return out;
}

const HeadSpec two_anchors = {8, {{10, 13}, {16, 30}}};

}  // namespace

TEST_CASE("one cell decodes as YOLOv5 says") {
    Head head({8, {{10, 20}}}, 2, 3, 4, -20.0F);
    for (int i = 0; i < 4; ++i)
        head.at(0, i, 1, 2) = 0.0F;  // sigmoid 0.5: the middle of the cell, the anchor's size
    head.at(0, 4, 1, 2) = 20.0F;
    head.at(0, 6, 1, 2) = 0.0F;
    const std::vector<Proposal> found = proposals(head);
    REQUIRE(found.size() == 1);
    CHECK(found[0].x0 == 20.0F - 5.0F);
    CHECK(found[0].y0 == 12.0F - 10.0F);
    CHECK(found[0].x1 == 20.0F + 5.0F);
    CHECK(found[0].y1 == 12.0F + 10.0F);
    CHECK(found[0].score == 0.5F);
    CHECK(found[0].class_id == 1);
}

TEST_CASE("the threshold itself is not above the threshold") {
    Head head({8, {{10, 20}}}, 1, 1, 1, 0.0F);  // score 0.25
    ProposalOptions options;
    options.confidence = 0.25F;
    CHECK(proposals(head, options).empty());
    options.confidence = std::nextafter(0.25F, 0.0F);
    CHECK(proposals(head, options).size() == 1);
}

TEST_CASE("the extreme thresholds") {
    Head head(two_anchors, 3, 5, 7, 50.0F);  // every score is exactly 1
    ProposalOptions options;
    options.confidence = 1.0F;
    CHECK(proposals(head, options).empty());
    options.confidence = std::nextafter(1.0F, 0.0F);
    CHECK(proposals(head, options).size() == 2 * 5 * 7);
    options.confidence = 0.0F;
    options.multi_label = true;
    CHECK(proposals(head, options).size() == 2 * 5 * 7 * 3);
}

TEST_CASE("best class, all classes, wanted classes") {
    Head head({8, {{10, 20}}}, 4, 1, 1, 10.0F);
    head.at(0, 5, 0, 0) = 1.0F;
    head.at(0, 6, 0, 0) = 2.0F;
    head.at(0, 7, 0, 0) = 2.0F;
    head.at(0, 8, 0, 0) = -5.0F;
    const auto ids = [&](bool multi_label, std::vector<int> classes) {
        ProposalOptions options;
        options.multi_label = multi_label;
        options.classes = std::move(classes);
        std::vector<int> found;
        for (const Proposal& proposal : proposals(head, options)) found.push_back(proposal.class_id);
        return found;
    };
    CHECK(ids(false, {}) == std::vector<int>{1});  // the first of two equals
    CHECK(ids(true, {}) == std::vector<int>{0, 1, 2});
    CHECK(ids(true, {2, 0, 3}) == std::vector<int>{0, 2});
    CHECK(ids(false, {2}).empty());  // filtered after the choice, as YOLOv5 does
}

TEST_CASE("NaN and infinities make no box") {
    for (const float bad : {not_a_number, infinity, -infinity}) {
        for (int channel = 0; channel < 7; ++channel) {
            for (const bool multi_label : {false, true}) {
                CAPTURE(bad);
                CAPTURE(channel);
                Head head({8, {{10, 20}}}, 2, 1, 9, 3.0F);
                head.at(0, channel, 0, 4) = bad;
                ProposalOptions options;
                options.multi_label = multi_label;
                const std::size_t clean = multi_label ? 16 : 8;
                // A class without a number leaves the other class standing.
                CHECK(proposals(head, options).size() == clean + (channel >= 5 ? 1 : 0));
            }
        }
    }
    Head all({8, {{10, 20}}}, 2, 4, 4, not_a_number);
    CHECK(proposals(all).empty());
}

TEST_CASE("generate_proposals equals the naive loop on random heads") {
    Random random(1);
    for (int round = 0; round < 60; ++round) {
        Head head(two_anchors, random.integer(1, 9), random.integer(1, 9), random.integer(1, 9), 0.0F,
                  random.integer(0, 5));
        head.values = random.floats(head.values.size(), -8.0F, 6.0F);
        for (int i = 0; i < round % 7; ++i) {
            const auto at = static_cast<std::size_t>(random.bits() % head.values.size());
            head.values[at] = i % 3 == 0 ? not_a_number : i % 3 == 1 ? infinity : -infinity;
        }
        for (const float confidence : {0.0F, 0.001F, 0.25F, 0.9F, 0.999F, 1.0F}) {
            for (const bool multi_label : {false, true}) {
                ProposalOptions options;
                options.confidence = confidence;
                options.multi_label = multi_label;
                if (round % 4 == 3) options.classes = {0};
                const std::vector<Proposal> found = proposals(head, options);
                REQUIRE(same_bits(found, naive_proposals(head, options)));
            }
        }
    }
}

TEST_CASE("generate_proposals appends") {
    Head head(two_anchors, 1, 1, 1, 10.0F);
    ProposalBuffers buffers;
    std::vector<Proposal> out(1);
    generate_proposals(head.view(), head.spec, {}, buffers, out);
    CHECK(out.size() == 3);
}

TEST_CASE("generate_proposals refuses what does not fit") {
    Head head(two_anchors, 3, 2, 2, 0.0F);
    const auto error = [](HeadView view, HeadSpec spec, ProposalOptions options = {}) {
        ProposalBuffers buffers;
        std::vector<Proposal> out;
        generate_proposals(view, spec, options, buffers, out);
    };
    HeadView view = head.view();
    view.channels = 15;
    CHECK_THROWS_WITH_AS(
        error(view, two_anchors),
        "the head of stride 8 has 15 channels; with 2 anchors it must have 2 * (5 + classes), at least 12",
        std::invalid_argument);
    view.channels = 10;
    CHECK_THROWS_AS(error(view, two_anchors), std::invalid_argument);
    view = head.view();
    view.plane_stride = 3;
    CHECK_THROWS_WITH_AS(error(view, two_anchors), "the head's plane stride is 3 floats; a plane has 2x2",
                         std::invalid_argument);
    view = head.view();
    view.data = nullptr;
    CHECK_THROWS_AS(error(view, two_anchors), std::invalid_argument);
    CHECK_THROWS_WITH_AS(error(head.view(), {0, two_anchors.anchors}),
                         "the head's stride is 0; it must be at least 1", std::invalid_argument);
    CHECK_THROWS_WITH_AS(error(head.view(), {8, {}}), "the head of stride 8 has no anchors; it needs one",
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(error(head.view(), {8, {{10, 13}, {0, 5}}}),
                         "the head of stride 8 has an anchor of 0x5 px; both sides must be positive",
                         std::invalid_argument);
    ProposalOptions options;
    options.confidence = -0.5F;
    CHECK_THROWS_WITH_AS(error(head.view(), two_anchors, options), "confidence is -0.5; it must be in 0..1",
                         std::invalid_argument);
    options.confidence = not_a_number;
    CHECK_THROWS_AS(error(head.view(), two_anchors, options), std::invalid_argument);
    options = {};
    options.classes = {3};
    CHECK_THROWS_WITH_AS(error(head.view(), two_anchors, options),
                         "classes holds 3; the model's class ids are 0..2", std::invalid_argument);
}
