#include "yolo_edge/sort.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "random.h"

using namespace yolo_edge;
using yolo_edge::testing::Random;

namespace {

/// class_id is the old position.
std::vector<Proposal> with_scores(const std::vector<float>& scores) {
    std::vector<Proposal> proposals;
    for (const float score : scores) {
        proposals.push_back({1, 2, 3, 4, score, static_cast<int>(proposals.size())});
    }
    return proposals;
}

std::vector<int> order_after_sorting(const std::vector<float>& scores, int max_candidates = 1000000) {
    std::vector<Proposal> proposals = with_scores(scores);
    SortBuffers buffers;
    sort_descending(proposals, max_candidates, buffers);
    std::vector<int> order;
    for (const Proposal& proposal : proposals) order.push_back(proposal.class_id);
    return order;
}

}  // namespace

TEST_CASE("sort_descending sorts, keeps equals in order and cuts") {
    CHECK(order_after_sorting({}).empty());
    CHECK(order_after_sorting({0.5F}) == std::vector<int>{0});
    CHECK(order_after_sorting({0.1F, 0.9F, 0.5F}) == std::vector<int>{1, 2, 0});
    CHECK(order_after_sorting({0.5F, 0.9F, 0.5F, 0.5F}) == std::vector<int>{1, 0, 2, 3});
    CHECK(order_after_sorting({0.5F, 0.9F, 0.5F, 0.5F}, 2) == std::vector<int>{1, 0});
    CHECK(order_after_sorting({-1.0F, 0.0F, -2.0F, 1.0F, 1e-40F}) == std::vector<int>{3, 4, 1, 0, 2});
}

TEST_CASE("sort_descending equals std::stable_sort") {
    Random random(1);
    SortBuffers buffers;
    for (const int count : {0, 1, 2, 63, 64, 65, 1000, 30000}) {
        std::vector<float> scores = random.floats(static_cast<std::size_t>(count), 0.0F, 1.0F);
        // Few distinct values make many equals.
        for (std::size_t i = 0; i < scores.size(); i += 2)
            scores[i] = static_cast<float>(static_cast<int>(scores[i] * 16)) / 16;
        for (const int cut : {1, 100, 1000000}) {
            std::vector<Proposal> expected = with_scores(scores);
            std::stable_sort(expected.begin(), expected.end(),
                             [](const Proposal& a, const Proposal& b) { return a.score > b.score; });
            expected.resize(std::min(expected.size(), static_cast<std::size_t>(cut)));
            std::vector<Proposal> sorted = with_scores(scores);
            sort_descending(sorted, cut, buffers);
            REQUIRE(sorted.size() == expected.size());
            for (std::size_t i = 0; i < sorted.size(); ++i) {
                REQUIRE(sorted[i].class_id == expected[i].class_id);
                REQUIRE(sorted[i].score == expected[i].score);
            }
        }
    }
}

TEST_CASE("sort_descending survives NaN and refuses an empty cut") {
    CHECK(order_after_sorting({0.5F, std::numeric_limits<float>::quiet_NaN(), 0.9F}).size() == 3);
    std::vector<Proposal> proposals;
    SortBuffers buffers;
    CHECK_THROWS_WITH_AS(sort_descending(proposals, 0, buffers), "max_candidates is 0; it must be at least 1",
                         std::invalid_argument);
}
