#include "sigmoid.h"

#include <doctest/doctest.h>

#include <cmath>
#include <initializer_list>
#include <limits>

using namespace yolo_edge;

TEST_CASE("sigmoid is right to float rounding and monotone") {
    float last = 0.0F;
    for (int i = -120000; i <= 120000; ++i) {
        const float x = static_cast<float>(i) / 1000.0F;
        const float value = sigmoid(x);
        const double exact = 1.0 / (1.0 + std::exp(-static_cast<double>(x)));
        REQUIRE(value == doctest::Approx(exact).epsilon(1.2e-7));
        REQUIRE(value >= last);
        last = value;
    }
}

TEST_CASE("sigmoid reaches its limits") {
    CHECK(sigmoid(0.0F) == 0.5F);
    for (const float far : {200.0F, 1e30F, std::numeric_limits<float>::infinity()}) {
        CHECK(sigmoid(far) == 1.0F);
        CHECK(sigmoid(-far) == 0.0F);
    }
}
