#pragma once

#include <doctest/doctest.h>

#include <string>

#include "yolo_edge/simd.h"

namespace yolo_edge::testing {

/// Repeats the rest of a test case for every instruction set that runs here.
inline SimdLevel subcase_per_level() {
    for (const SimdLevel level : simd_levels()) {
        SUBCASE(std::string(name_of(level)).c_str()) {
            return level;
        }
    }
    return SimdLevel::scalar;  // the pass after the last subcase
}

}  // namespace yolo_edge::testing
