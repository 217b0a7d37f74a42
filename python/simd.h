#pragma once

#include <optional>
#include <string>

#include "yolo_edge/simd.h"

namespace yolo_edge {

/// The level of this name, the best one for None; throws std::invalid_argument that lists the levels of this
/// machine.
SimdLevel simd_level(const std::optional<std::string>& name);

}  // namespace yolo_edge
