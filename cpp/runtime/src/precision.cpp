#include "precision.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "argument_error.h"
#include "yolo_edge/errors.h"
#include "yolo_edge/simd.h"

namespace yolo_edge {
namespace {

// The rule and all texts here are those of runtime/yolo_edge/engines/selection.py; one table of cases tests
// both.
constexpr std::array<std::string_view, 7> known_precisions = {"auto", "fp32", "fp16-storage", "fp16",
                                                              "bf16", "int8", "int8-weights"};

using Names = std::vector<std::string_view>;

/// The weights that may run in an arithmetic, the preferred ones first. Half-precision weights lose nothing
/// where they are used as such; where float32 is asked for they come second, for they were rounded.
Names weights_for(std::string_view compute) {
    if (compute == "int8" || compute == "int8-weights") return {compute};
    if (compute == "fp32" || compute == "bf16") return {"fp32", "fp16"};
    return {"fp16", "fp32"};
}

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

std::string quoted(std::string_view text) {
    return "'" + std::string(text) + "'";
}

std::string described(const Target& target) {
    return "weights " + target.weights + ", verified in " + listed(target.compute);
}

void check_wanted(const EngineEntry& engine, std::string_view wanted) {
    check_precision(wanted);
    if (wanted != "auto" && !holds(engine.precisions, wanted)) {
        throw argument_error("engine '", engine.name, "' has no precision '", wanted,
                             "'; it has: ", listed(engine.precisions));
    }
}

/// The first of one engine's targets that runs as wanted.
std::optional<Selection> select(const std::vector<const Target*>& targets, const EngineEntry& engine,
                                std::string_view wanted, bool half) {
    // Half-precision arithmetic moves scores by up to 0.3 and int8 may find less: nobody gets them unasked.
    const Names automatic = half ? Names{"fp16-storage", "fp32"} : Names{"fp32"};
    for (const std::string_view compute : wanted == "auto" ? automatic : Names{wanted}) {
        if (!holds(engine.precisions, compute)) continue;
        for (const std::string_view weights : weights_for(compute)) {
            for (const Target* target : targets) {
                if (target->weights == weights && holds(target->compute, compute)) {
                    return Selection{target, std::string(compute)};
                }
            }
        }
    }
    return std::nullopt;
}

std::vector<const Target*> targets_of(const Bundle& bundle, std::string_view engine) {
    std::vector<const Target*> targets;
    for (const Target& target : bundle.targets) {
        if (target.engine == engine) targets.push_back(&target);
    }
    return targets;
}

[[noreturn]] void refuse(const Bundle& bundle, std::string_view engine, std::string_view wanted,
                         const std::vector<EngineEntry>& engines) {
    std::string had;
    std::string int8;
    for (const Target& target : bundle.targets) {
        const bool counts = std::any_of(engines.begin(), engines.end(), [&](const EngineEntry& entry) {
            return entry.name == target.engine && (engine == "auto" || engine == entry.name);
        });
        if (!counts) continue;
        if (int8.empty() && (target.weights == "int8" || target.weights == "int8-weights")) {
            int8 = target.weights;
        }
        had += (had.empty() ? "" : "; ") + target.engine + " with " + described(target);
    }
    throw BundleError(bundle.path + " has no target" +
                      (engine == "auto" ? "" : " for engine " + quoted(engine)) + " that runs in precision " +
                      quoted(wanted) + "; it has: " + had +
                      (wanted == "auto" && !int8.empty()
                           ? " (auto never takes " + int8 + ": --precision " + int8 + " asks for it)"
                           : ""));
}

}  // namespace

void check_precision(std::string_view wanted) {
    if (!holds(known_precisions, wanted)) {
        throw argument_error("precision is '", wanted, "'; it must be one of ", listed(known_precisions));
    }
}

std::string choose_precision(const Target& target, const EngineEntry& engine, std::string_view wanted,
                             bool half) {
    check_wanted(engine, wanted);
    if (const auto selection = select({&target}, engine, wanted, half)) return selection->compute;
    throw BundleError("the bundle's target for engine " + quoted(target.engine) + " has " +
                      described(target) + ", so it does not run in precision " + quoted(wanted));
}

Selection choose_target(const Bundle& bundle, std::string_view engine, std::string_view wanted,
                        const std::vector<EngineEntry>& engines, bool half) {
    std::set<std::string> held;
    for (const Target& target : bundle.targets) held.insert(target.engine);
    if (engine != "auto") {
        const EngineEntry& entry = find_engine(engines, engine);
        const std::vector<const Target*> targets = targets_of(bundle, engine);
        if (targets.empty()) {
            throw BundleError(bundle.path + " has no target for engine " + quoted(engine) +
                              "; it has: " + listed(held) + " (yolo-export --to adds one)");
        }
        check_wanted(entry, wanted);
        if (const auto selection = select(targets, entry, wanted, half)) return *selection;
        refuse(bundle, engine, wanted, engines);
    }
    check_precision(wanted);
    bool any = false;
    for (const EngineEntry& entry : engines) {
        const std::vector<const Target*> targets = targets_of(bundle, entry.name);
        any = any || !targets.empty();
        if (const auto selection = select(targets, entry, wanted, half)) return *selection;
    }
    if (any) refuse(bundle, engine, wanted, engines);
    Names known;
    for (const EngineEntry& entry : engines) known.push_back(entry.name);
    throw BundleError(bundle.path + " has targets for " + listed(held) +
                      "; this library was built with: " + (known.empty() ? "none" : listed(known)));
}

std::string choose_precision(const Target& target, std::string_view wanted) {
    return choose_precision(target, engine_entry(target.engine), wanted, has_half_precision_arithmetic());
}

const Target& select_target(const Bundle& bundle, std::string_view engine, std::string_view precision) {
    return *choose_target(bundle, engine, precision, engine_entries(), has_half_precision_arithmetic())
                .target;
}

}  // namespace yolo_edge
