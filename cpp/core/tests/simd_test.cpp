#include "yolo_edge/simd.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <stdexcept>

#include "yolo_edge/letterbox.h"
#include "yolo_edge/postprocessor.h"

using namespace yolo_edge;

TEST_CASE("the scalar level runs everywhere and the best one is last") {
    CHECK(simd_levels().front() == SimdLevel::scalar);
    CHECK(best_simd_level() == simd_levels().back());
    CHECK(name_of(SimdLevel::avx2) == "avx2");
}

TEST_CASE("a level that does not run here is refused") {
    for (const SimdLevel level : {SimdLevel::neon, SimdLevel::avx2}) {
        const auto& levels = simd_levels();
        if (std::find(levels.begin(), levels.end(), level) != levels.end()) continue;
        CHECK_THROWS_AS(Letterbox({}, level), std::invalid_argument);
        CHECK_THROWS_AS(Postprocessor({{8, {{10, 13}}}}, level), std::invalid_argument);
    }
}
