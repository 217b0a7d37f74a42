#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

namespace yolo_edge::fuzz {

/// Takes values off the fuzzer's bytes, front to back; after the last byte come zeros.
class FuzzInput {
  public:
    FuzzInput(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}

    bool empty() const { return left_ == 0; }

    /// Any value of the type, NaN and the like among them.
    template <typename T>
    T any() {
        T value{};
        const std::size_t count = std::min(left_, sizeof value);
        std::memcpy(&value, data_, count);
        data_ += count;
        left_ -= count;
        return value;
    }

    bool flag() { return any<std::uint8_t>() % 2 != 0; }

    int between(int low, int high) {
        return low + static_cast<int>(any<std::uint32_t>() % static_cast<std::uint32_t>(high - low + 1));
    }

    /// Mostly between `low` and `high`; one time in sixteen any number, or one where numbers end.
    int mostly_between(int low, int high) {
        const int usual = between(low, high);
        const std::uint8_t choice = any<std::uint8_t>();
        if (choice % 16 != 0) return usual;
        constexpr int edges[] = {0,
                                 -1,
                                 1,
                                 32768,
                                 32769,
                                 65535,
                                 65536,
                                 std::numeric_limits<int>::max(),
                                 std::numeric_limits<int>::min()};
        const std::size_t edge = choice / 16;
        return edge < std::size(edges) ? edges[edge] : any<int>();
    }

    /// Mostly between `low` and `high`; one time in eight any number, NaN, infinities and subnormals among
    /// them.
    float mostly_between(float low, float high) {
        const float usual = low + (high - low) * (static_cast<float>(any<std::uint16_t>()) / 65535.0F);
        const std::uint8_t choice = any<std::uint8_t>();
        if (choice % 8 != 0) return usual;
        constexpr float infinity = std::numeric_limits<float>::infinity();
        constexpr float edges[] = {0.0F,
                                   -0.0F,
                                   infinity,
                                   -infinity,
                                   std::numeric_limits<float>::quiet_NaN(),
                                   std::numeric_limits<float>::denorm_min(),
                                   -std::numeric_limits<float>::denorm_min(),
                                   std::numeric_limits<float>::max(),
                                   std::numeric_limits<float>::lowest(),
                                   1.0F};
        const std::size_t edge = choice / 8;
        return edge < std::size(edges) ? edges[edge] : any<float>();
    }

  private:
    const std::uint8_t* data_;
    std::size_t left_;
};

/// Stops the program, which the driver then reports with the input that led here.
inline void require(bool holds) {
    if (!holds) __builtin_trap();
}

}  // namespace yolo_edge::fuzz
