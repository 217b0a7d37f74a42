#pragma once

#include <cstdint>
#include <cstring>

namespace yolo_edge {

/// 1 / (1 + e^-x), correctly rounded to float but for about one value in ten thousand.
///
/// Our own because the C libraries' exponentials differ in the last bit between machines and versions; this
/// one is additions, multiplications and one division of doubles, so scores are the same bits everywhere.
/// Monotone; x must not be NaN.
inline float sigmoid(float x) {
    // Beyond 150 the result is 0 or 1 in float.
    const double y = x < -150.0F ? 150.0 : x > 150.0F ? -150.0 : -static_cast<double>(x);
    // e^y = 2^n * e^r with |r| <= ln(2)/2. Adding and taking off 1.5 * 2^52 rounds to an integer, and leaves
    // that integer in the lowest bits in between.
    constexpr double round = 6755399441055744.0;
    const double shifted = y * 1.4426950408889634 + round;
    const double r = y - (shifted - round) * 0.6931471805599453;
    // The Taylor series of e^r to r^9: a relative error under 1e-11. In pairs, which halves the time it
    // takes.
    const double r2 = r * r;
    const double r4 = r2 * r2;
    const double low = (1.0 + r) + (0.5 + r * (1.0 / 6.0)) * r2;
    const double middle = (1.0 / 24.0 + r * (1.0 / 120.0)) + (1.0 / 720.0 + r * (1.0 / 5040.0)) * r2;
    const double high = 1.0 / 40320.0 + r * (1.0 / 362880.0);
    const double series = low + (middle + high * r4) * r4;
    std::uint64_t bits;
    std::memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 1023) << 52;  // 2^n, whose exponent field is n + 1023; the upper bits fall off
    double power;
    std::memcpy(&power, &bits, sizeof power);
    return static_cast<float>(1.0 / (1.0 + series * power));
}

}  // namespace yolo_edge
