#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <initializer_list>

namespace yolo_edge {

/// 1 / (1 + e^-x), correctly rounded to float but for about one value in ten thousand.
///
/// Our own because the C libraries' exponentials differ in the last bit between machines and versions; this
/// one is additions and multiplications of doubles, so scores are the same bits everywhere. Monotone; x must
/// not be NaN.
inline float sigmoid(float x) {
    // Beyond this the result is 0 or 1 in float.
    const double y = x < -150.0F ? 150.0 : x > 150.0F ? -150.0 : -static_cast<double>(x);
    // e^y = 2^n * e^r with |r| <= ln(2)/2; the Taylor series to r^9 leaves a relative error under 1e-11.
    const double n = std::nearbyint(y * 1.4426950408889634);
    const double r = y - n * 0.6931471805599453;
    double series = 1.0 / 362880.0;
    for (const double coefficient :
         {1.0 / 40320.0, 1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0}) {
        series = series * r + coefficient;
    }
    const std::uint64_t power_bits = static_cast<std::uint64_t>(static_cast<std::int64_t>(n) + 1023) << 52;
    double power;
    std::memcpy(&power, &power_bits, sizeof power);
    return static_cast<float>(1.0 / (1.0 + series * power));
}

}  // namespace yolo_edge
