#pragma once

#include <optional>
#include <string>
#include <vector>

#include "arguments.h"
#include "yolo_edge/detector.h"

namespace yolo_edge::native {

/// The flags that say which bundle runs and how. Defaults are those of DetectorOptions.
struct DetectorArguments {
    std::optional<std::string> model;
    DetectorOptions options;  ///< Complete after resolve().
    std::optional<std::string> cluster;
    std::optional<std::string> affinity;
    std::optional<std::string> size;
    std::optional<std::string> letterbox;

    void add_to(ArgumentTable& table);
    /// Turns the words into options. Throws std::invalid_argument.
    void resolve();
};

/// The flags that say which boxes are kept. Defaults are those of DetectOptions.
struct BoxArguments {
    DetectOptions options;  ///< Complete after resolve().
    std::optional<std::string> classes;

    void add_to(ArgumentTable& table);
    /// Throws std::invalid_argument for values out of range and unknown classes.
    void resolve(const std::vector<std::string>& class_names);
};

/// One line for people: what runs, and how.
std::string describe(Detector& detector, const DetectorOptions& options);

}  // namespace yolo_edge::native
