#pragma once

#include <vector>

#include "yolo_edge/letterbox_geometry.h"
#include "yolo_edge/proposals.h"

namespace yolo_edge {

/// How tensor coordinates become source coordinates: `(t - pad) / gain`, clipped to [0, limit].
struct BoxScaling {
    float gain_x = 1;
    float gain_y = 1;
    float pad_x = 0;
    float pad_y = 0;
    float limit_x = 0;  ///< Width of the source image.
    float limit_y = 0;  ///< Height of the source image.
};

/// The way back that YOLOv5's `scale_boxes` takes (utils/general.py), so that boxes equal the training
/// framework's.
///
/// With the tensor H x W and the image h x w: `gain = min(H/h, W/w)`, `pad = ((W - w*gain)/2, (H -
/// h*gain)/2)`, which is not the rounded padding of the geometry. An image that was not resized has gain 1
/// (the same number, except that YOLOv5's formula is wrong for images kept small by scale_up = false).
/// Stretched images: gain per axis, no padding.
BoxScaling box_scaling(const LetterboxGeometry& geometry);

/// Moves boxes from tensor pixels to pixels of the source image, clipped to it, in place.
void scale_boxes(std::vector<Proposal>& boxes, const LetterboxGeometry& geometry);

}  // namespace yolo_edge
