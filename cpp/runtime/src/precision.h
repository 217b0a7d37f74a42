#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine_backend.h"
#include "yolo_edge/bundle.h"

namespace yolo_edge {

/// What runs.
struct Selection {
    const Target* target;
    std::string compute;
};

/// Throws std::invalid_argument for a name that is none.
void check_precision(std::string_view wanted);

/// choose_precision for an engine and a CPU that has half-precision arithmetic or not.
std::string choose_precision(const Target& target, const EngineEntry& engine, std::string_view wanted,
                             bool half);

/// select_target for these engines, the preferred ones first, and such a CPU.
Selection choose_target(const Bundle& bundle, std::string_view engine, std::string_view wanted,
                        const std::vector<EngineEntry>& engines, bool half);

}  // namespace yolo_edge
