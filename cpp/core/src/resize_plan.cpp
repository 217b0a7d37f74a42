#include "resize_plan.h"

#include <cmath>

namespace yolo_edge {
namespace {

/// Fills one axis; `clamp` resets the weights at the edges.
void prepare_axis(int source, int resized, bool clamp, ResizeAxis& axis) {
    axis.first.resize(static_cast<std::size_t>(resized));
    axis.weights.resize(2 * static_cast<std::size_t>(resized));
    // OpenCV divides twice; source / resized would differ in the last bit.
    const double scale = 1.0 / (static_cast<double>(resized) / source);
    for (int i = 0; i < resized; ++i) {
        const float position = static_cast<float>((i + 0.5) * scale - 0.5);
        const float below = std::floor(position);
        float fraction = position - below;
        int first = static_cast<int>(below);
        if (clamp && first < 0) {
            first = 0;
            fraction = 0.0F;
        }
        if (clamp && first >= source - 1) {
            first = source - 1;
            fraction = 0.0F;
        }
        const auto at = static_cast<std::size_t>(i);
        axis.first[at] = first;
        // Rounded separately, half to even: the two do not always add up to 2048.
        axis.weights[2 * at] = static_cast<std::int16_t>(std::nearbyint((1.0F - fraction) * 2048.0F));
        axis.weights[2 * at + 1] = static_cast<std::int16_t>(std::nearbyint(fraction * 2048.0F));
    }
}

}  // namespace

void ResizePlan::prepare(SizeHW source_size, SizeHW resized_size) {
    if (source == source_size && resized == resized_size) return;
    prepare_axis(source_size.width, resized_size.width, true, columns);
    prepare_axis(source_size.height, resized_size.height, false, rows);
    paired_columns = 0;
    wide_columns = 0;
    const int row_bytes = 3 * source_size.width;
    for (std::int32_t& first : columns.first) {
        first *= 3;
        paired_columns += first + 6 <= row_bytes ? 1 : 0;
        wide_columns += first + 8 <= row_bytes ? 1 : 0;
    }
    source = source_size;
    resized = resized_size;
}

}  // namespace yolo_edge
