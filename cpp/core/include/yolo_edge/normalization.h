#pragma once

#include <array>
#include <cstdint>

#include "yolo_edge/image.h"

namespace yolo_edge {

/// How a byte of the image becomes a number of the tensor: `(x - mean) * scale`, per channel.
///
/// `mean` and `scale` stand in the order of the tensor's channels and in units of grey levels (0..255).
struct Normalization {
    ChannelOrder channels = ChannelOrder::rgb;     ///< Order of the tensor's planes.
    std::array<double, 3> mean = {0.0, 0.0, 0.0};  ///< Subtracted first.
    std::array<double, 3> scale = {1.0 / 255.0, 1.0 / 255.0, 1.0 / 255.0};
    std::uint8_t pad_value = 114;  ///< Grey level of the padding, before normalisation.
};

/// The 256 possible values of one channel.
using NormalizationTable = std::array<float, 256>;

/// Tabulates `(x - mean) * scale` for x = 0..255: computed in double, rounded once to float.
///
/// Rounding once makes scale = 1/255 equal, bit for bit, to numpy's `x.astype(float32) / 255` (a float
/// multiplication by 1/255 differs in 126 of the 256 values). Throws std::invalid_argument unless every value
/// is finite.
NormalizationTable normalization_table(double mean, double scale);

}  // namespace yolo_edge
