#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <random>
#include <vector>

#include "tiny_model.h"
#include "yolo_edge/detector.h"
#include "yolo_edge/letterbox.h"
#include "yolo_edge/postprocessor.h"

namespace yolo_edge::testing {

struct Picture {
    int height;
    int width;
    std::vector<std::uint8_t> pixels;

    Picture(int rows, int columns, unsigned seed) : height(rows), width(columns) {
        std::mt19937 random(seed);
        for (int i = 0; i < 3 * rows * columns; ++i)
            pixels.push_back(static_cast<std::uint8_t>(random() % 256));
    }
    ImageView view() const { return {pixels.data(), height, width, 3 * width, ChannelOrder::bgr}; }
};

/// What a Detector must find, step by step and without an engine.
inline std::vector<Proposal> by_hand(const TinyModel& model, const Picture& picture,
                                     const DetectOptions& options) {
    LetterboxOptions wanted;
    wanted.size = {64, 64};
    wanted.stride = TinyModel::stride;
    const LetterboxGeometry geometry = letterbox_geometry({picture.height, picture.width}, wanted);
    const SizeHW size = geometry.tensor;
    std::vector<float> tensor(static_cast<std::size_t>(3 * size.height * size.width));
    Letterbox().run(picture.view(), geometry, tensor.data());
    const std::vector<float> head = model.head(tensor.data(), size.height, size.width);
    const int ny = size.height / TinyModel::stride;
    const int nx = size.width / TinyModel::stride;
    Postprocessor postprocessor({HeadSpec{TinyModel::stride, {{10, 13}}}});
    ProposalOptions proposals;
    proposals.confidence = options.conf;
    proposals.classes = options.classes;
    return postprocessor.run({HeadView{head.data(), TinyModel::channels, ny, nx, ny * nx}}, geometry,
                             proposals, {});
}

inline void check_equal(const std::vector<Proposal>& found, const std::vector<Proposal>& expected) {
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
        CHECK(found[i].class_id == expected[i].class_id);
        CHECK(found[i].score == doctest::Approx(expected[i].score).epsilon(1e-3));
        CHECK(found[i].x0 == doctest::Approx(expected[i].x0).epsilon(1e-3));
        CHECK(found[i].y1 == doctest::Approx(expected[i].y1).epsilon(1e-3));
    }
}

}  // namespace yolo_edge::testing
