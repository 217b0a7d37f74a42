#pragma once

#include <chrono>
#include <vector>

#include "yolo_edge/proposals.h"

namespace yolo_edge {

/// How long the stages of one detection took, and when the engine worked.
struct StageTimes {
    double letterbox_ms = 0;
    double inference_ms = 0;  ///< With the wait for the engine when other callers use it too.
    double postprocess_ms = 0;
    std::chrono::steady_clock::time_point engine_from;  ///< When the engine began.
    std::chrono::steady_clock::time_point engine_to;    ///< When it was done.
};

/// The boxes of one image, highest score first, corners in pixels of that image.
struct Detections {
    std::vector<Proposal> boxes;
    StageTimes times;
};

}  // namespace yolo_edge
