#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

// Included by sources that are compiled for one instruction set only: nothing here may define an inline
// function.

namespace yolo_edge {

extern const std::array<std::uint32_t, 64> sha256_round_constants;

/// Takes `count` blocks of 64 bytes into the state.
using Sha256Blocks = void (*)(std::uint32_t* state, const unsigned char* blocks, std::size_t count);

void sha256_blocks_scalar(std::uint32_t* state, const unsigned char* blocks, std::size_t count);

// With the processor's instructions for it; only where they are compiled in.
void sha256_blocks_x86(std::uint32_t* state, const unsigned char* blocks, std::size_t count);
void sha256_blocks_arm(std::uint32_t* state, const unsigned char* blocks, std::size_t count);

}  // namespace yolo_edge
