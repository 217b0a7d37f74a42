#pragma once

namespace yolo_edge {

/// A height and a width in pixels.
struct SizeHW {
    int height = 0;
    int width = 0;
};

constexpr bool operator==(SizeHW a, SizeHW b) {
    return a.height == b.height && a.width == b.width;
}
constexpr bool operator!=(SizeHW a, SizeHW b) {
    return !(a == b);
}

/// How an image is fitted into the network's input.
enum class LetterboxMode {
    rect,     ///< Keep the aspect ratio, pad each side only to the next multiple of the stride.
    square,   ///< Keep the aspect ratio, pad to the full size.
    stretch,  ///< Fill the full size, each axis with its own ratio; no padding.
};

struct LetterboxOptions {
    SizeHW size;      ///< Largest tensor, pixels.
    int stride = 32;  ///< The network's largest stride, pixels; used by rect mode only.
    LetterboxMode mode = LetterboxMode::rect;  ///< See LetterboxMode; rect computes least.
    bool scale_up = true;                      ///< false: an image smaller than `size` keeps its own pixels.
};

/// Where a source image lies in the tensor. All numbers are pixels; padding + resized = tensor on each axis.
struct LetterboxGeometry {
    LetterboxMode mode = LetterboxMode::rect;
    SizeHW source;
    SizeHW tensor;
    SizeHW resized;
    int top = 0;
    int left = 0;
    int bottom = 0;
    int right = 0;
};

/// Computes where an image of `source` pixels goes, as YOLOv5's `letterbox` does.
///
/// `r = min(H/h, W/w)`, at most 1 unless `scale_up`; resized size `round(w*r), round(h*r)`, half to even as
/// Python rounds; padding d split `round(d/2 - 0.1)`, `round(d/2 + 0.1)` (utils/augmentations.py, function
/// letterbox). One deviation: a side that would round to 0 pixels (an image of 1x4000) becomes 1 pixel, where
/// YOLOv5 fails.
///
/// Throws std::invalid_argument for a side or stride below 1, a side above 32,768 (coordinates must be exact
/// in float), and in rect mode for a size that is no multiple of the stride.
LetterboxGeometry letterbox_geometry(SizeHW source, const LetterboxOptions& options);

}  // namespace yolo_edge
