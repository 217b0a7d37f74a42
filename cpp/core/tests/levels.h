#pragma once

#include <doctest/doctest.h>

#include <string>

#include "yolo_edge/simd.h"

namespace yolo_edge::testing {

/// Repeats the rest of a test case for every instruction set that runs here.
inline SimdLevel subcase_per_level() {
    SimdLevel chosen = SimdLevel::scalar;
    for (const SimdLevel level : simd_levels()) {
        // No return from here: doctest must pass all of them to know that there are more.
        SUBCASE(std::string(name_of(level)).c_str()) {
            chosen = level;
        }
    }
    return chosen;
}

}  // namespace yolo_edge::testing
