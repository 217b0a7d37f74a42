#pragma once

#include <stdexcept>

namespace yolo_edge {

/// A bundle that cannot be used: missing, damaged, from a newer version, or without a target to run.
class BundleError : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// An engine that failed to load or to run a model.
class EngineError : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

}  // namespace yolo_edge
