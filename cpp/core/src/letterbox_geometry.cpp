#include "yolo_edge/letterbox_geometry.h"

#include <algorithm>
#include <cmath>

#include "argument_error.h"

namespace yolo_edge {
namespace {

constexpr int largest_side = 32768;

void check_size(const char* name, SizeHW size) {
    const auto fits = [](int side) { return side >= 1 && side <= largest_side; };
    if (!fits(size.height) || !fits(size.width)) {
        throw argument_error(name, " is (", size.height, ", ", size.width, "); both sides must be 1..",
                             largest_side);
    }
}

/// Rounds half to even, as Python's round() does (in the default floating-point rounding mode).
int round_half_even(double value) {
    return static_cast<int>(std::nearbyint(value));
}

}  // namespace

LetterboxGeometry letterbox_geometry(SizeHW source, const LetterboxOptions& options) {
    check_size("source_hw", source);
    check_size("size_hw", options.size);
    if (options.stride < 1) throw argument_error("stride is ", options.stride, "; it must be at least 1");

    LetterboxGeometry geometry;
    geometry.mode = options.mode;
    geometry.source = source;
    if (options.mode == LetterboxMode::stretch) {
        geometry.resized = options.size;
        geometry.tensor = options.size;
        return geometry;
    }

    double ratio = std::min(static_cast<double>(options.size.height) / source.height,
                            static_cast<double>(options.size.width) / source.width);
    if (!options.scale_up) ratio = std::min(ratio, 1.0);
    geometry.resized.height = std::max(1, round_half_even(source.height * ratio));
    geometry.resized.width = std::max(1, round_half_even(source.width * ratio));

    int pad_height = options.size.height - geometry.resized.height;
    int pad_width = options.size.width - geometry.resized.width;
    if (options.mode == LetterboxMode::rect) {
        if (options.size.height % options.stride != 0 || options.size.width % options.stride != 0) {
            throw argument_error("size_hw is (", options.size.height, ", ", options.size.width,
                                 "); rect mode needs multiples of the stride, ", options.stride);
        }
        pad_height %= options.stride;
        pad_width %= options.stride;
    }
    geometry.tensor = {geometry.resized.height + pad_height, geometry.resized.width + pad_width};
    // An odd padding puts its extra pixel below and to the right.
    geometry.top = round_half_even(pad_height / 2.0 - 0.1);
    geometry.bottom = round_half_even(pad_height / 2.0 + 0.1);
    geometry.left = round_half_even(pad_width / 2.0 - 0.1);
    geometry.right = round_half_even(pad_width / 2.0 + 0.1);
    return geometry;
}

}  // namespace yolo_edge
