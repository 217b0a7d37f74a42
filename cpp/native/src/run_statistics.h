#pragma once

#include <cstdint>
#include <string>

#include "yolo_edge/detections.h"

namespace yolo_edge::native {

/// Figures of a run; they take the same memory after a minute and after a month.
struct RunStatistics {
    std::int64_t frames = 0;
    std::int64_t failures = 0;
    std::int64_t detections = 0;
    double elapsed_s = 0;  ///< From the start to the last frame.
    StageTimes total;      ///< Sums over all frames.

    double fps() const { return elapsed_s > 0 ? static_cast<double>(frames) / elapsed_s : 0; }
    void add(const Detections& found, double elapsed);
    /// One line for people.
    std::string describe() const;
};

}  // namespace yolo_edge::native
