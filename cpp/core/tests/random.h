#pragma once

#include <cstdint>
#include <vector>

namespace yolo_edge::testing {

/// Seeded numbers that are the same on every machine and compiler, which std::uniform_*_distribution are not.
class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed) {}

    /// splitmix64 (Steele, Lea, Flood 2014).
    std::uint64_t bits() {
        std::uint64_t z = state_ += 0x9E3779B97F4A7C15U;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
        return z ^ (z >> 31);
    }

    int integer(int low, int high) {
        return low + static_cast<int>(bits() % static_cast<std::uint64_t>(high - low + 1));
    }

    float uniform(float low, float high) {
        return low + (high - low) * (static_cast<float>(bits() >> 40) * 0x1p-24F);
    }

    std::vector<std::uint8_t> bytes(std::size_t count) {
        std::vector<std::uint8_t> values(count);
        for (auto& value : values) value = static_cast<std::uint8_t>(bits());
        return values;
    }

    std::vector<float> floats(std::size_t count, float low, float high) {
        std::vector<float> values(count);
        for (auto& value : values) value = uniform(low, high);
        return values;
    }

  private:
    std::uint64_t state_;
};

}  // namespace yolo_edge::testing
