#pragma once

#include <string>
#include <vector>

namespace yolo_edge {

/// Thresholds and limits of decoding and NMS.
struct DetectOptions {
    float conf = 0.25F;          ///< Confidence threshold, 0..1: boxes at or below it are dropped.
    float iou = 0.45F;           ///< IoU threshold of NMS, 0..1: of two that overlap more, one is dropped.
    std::vector<int> classes;    ///< Class ids to keep; empty keeps all. See resolve_classes.
    bool agnostic = false;       ///< NMS across classes instead of within each class.
    bool multi_label = false;    ///< Every class above the threshold gives a box; for evaluation.
    int max_detections = 300;    ///< Boxes kept per image, the most confident first.
    int max_candidates = 30000;  ///< Boxes that enter NMS, the most confident first; bounds the time.
};

/// Turns class ids ("0") and names ("person") into rising ids without duplicates.
///
/// Throws std::invalid_argument that lists every unknown entry and what the model knows.
std::vector<int> resolve_classes(const std::vector<std::string>& classes,
                                 const std::vector<std::string>& names);

}  // namespace yolo_edge
