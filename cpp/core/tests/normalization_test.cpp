#include "yolo_edge/normalization.h"

#include <doctest/doctest.h>

#include <limits>
#include <stdexcept>

using namespace yolo_edge;

TEST_CASE("scale 1/255 equals the float division by 255 for every grey level") {
    const NormalizationTable table = normalization_table(0.0, 1.0 / 255.0);
    for (int x = 0; x < 256; ++x) CHECK(table[static_cast<std::size_t>(x)] == static_cast<float>(x) / 255.0F);
}

TEST_CASE("mean and scale are applied in double and rounded once") {
    const NormalizationTable table = normalization_table(103.53, 0.017429);
    for (int x = 0; x < 256; ++x) {
        CHECK(table[static_cast<std::size_t>(x)] == static_cast<float>((x - 103.53) * 0.017429));
    }
}

TEST_CASE("a normalisation that is not finite is refused") {
    CHECK_THROWS_AS(normalization_table(0.0, std::numeric_limits<double>::infinity()), std::invalid_argument);
    CHECK_THROWS_AS(normalization_table(std::numeric_limits<double>::quiet_NaN(), 1.0),
                    std::invalid_argument);
    CHECK_THROWS_AS(normalization_table(0.0, 1e300), std::invalid_argument);
}
