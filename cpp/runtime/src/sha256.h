#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sha256_blocks.h"

namespace yolo_edge {

/// The ways in which this machine computes it, all with the same result, the fastest last: plainly, and where
/// the processor has instructions for it, with those.
const std::vector<Sha256Blocks>& sha256_ways();

/// SHA-256 of bytes that come in pieces (FIPS 180-4).
class Sha256 {
  public:
    /// With one of sha256_ways().
    explicit Sha256(Sha256Blocks blocks = sha256_ways().back()) : blocks_(blocks) {}

    void update(std::string_view bytes);

    /// The digest in lower-case hexadecimal digits; call it once, last.
    std::string finish();

  private:
    Sha256Blocks blocks_;
    // The first 32 bits of the fractional parts of the square roots of the first 8 primes.
    std::array<std::uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                           0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    std::array<unsigned char, 64> block_{};
    std::size_t filled_ = 0;    // bytes in block_
    std::uint64_t length_ = 0;  // bytes in all
};

/// Hashes a file, a piece at a time. Throws BundleError when it cannot be read.
std::string sha256_of_file(const std::string& path);

}  // namespace yolo_edge
