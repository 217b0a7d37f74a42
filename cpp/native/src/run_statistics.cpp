#include "run_statistics.h"

#include <algorithm>

#include "rounded.h"

namespace yolo_edge::native {

void RunStatistics::add(const Detections& found, double elapsed) {
    ++frames;
    detections += static_cast<std::int64_t>(found.boxes.size());
    elapsed_s = elapsed;
    total.letterbox_ms += found.times.letterbox_ms;
    total.inference_ms += found.times.inference_ms;
    total.postprocess_ms += found.times.postprocess_ms;
}

std::string RunStatistics::describe() const {
    const auto mean = [&](double sum) {
        return rounded(sum / static_cast<double>(std::max<std::int64_t>(1, frames)), 1) + " ms";
    };
    std::string text = std::to_string(frames) + " frames in " + rounded(elapsed_s, 1) + " s (";
    text += rounded(fps(), 1) + " per second): letterbox " + mean(total.letterbox_ms);
    text += ", inference " + mean(total.inference_ms) + ", postprocess " + mean(total.postprocess_ms);
    text += "; " + std::to_string(detections) + " detections";
    if (failures > 0) text += "; " + std::to_string(failures) + " failed";
    return text;
}

}  // namespace yolo_edge::native
