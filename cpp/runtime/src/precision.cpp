#include <algorithm>
#include <array>

#include "argument_error.h"
#include "engine_backend.h"
#include "yolo_edge/simd.h"

namespace yolo_edge {
namespace {

template <typename Range>
std::string listed(const Range& names) {
    std::string text;
    for (const auto& name : names) text += (text.empty() ? "" : ", ") + std::string(name);
    return text;
}

template <typename Range>
bool holds(const Range& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

std::string choose_precision(const Target& target, std::string_view wanted) {
    constexpr std::array<std::string_view, 4> known = {"fp32", "fp16-storage", "fp16", "bf16"};
    const EngineEntry& engine = engine_entry(target.engine);
    if (wanted == "auto") {
        const std::string_view fast = "fp16-storage";
        const bool pays = has_half_precision_arithmetic() && holds(engine.precisions, fast);
        return std::string(pays && holds(target.compute, fast) ? fast : "fp32");
    }
    if (!holds(known, wanted)) {
        throw argument_error("precision is '", wanted, "'; it must be one of auto, ", listed(known));
    }
    if (!holds(engine.precisions, wanted)) {
        throw argument_error("engine '", target.engine, "' has no precision '", wanted,
                             "'; it has: ", listed(engine.precisions));
    }
    if (!holds(target.compute, wanted)) {
        throw BundleError("the bundle's target for engine '" + target.engine + "' was verified in " +
                          listed(target.compute) + ", not in " + std::string(wanted));
    }
    return std::string(wanted);
}

}  // namespace yolo_edge
