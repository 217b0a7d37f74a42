#pragma once

#include <string_view>
#include <vector>

namespace yolo_edge {

/// The instruction sets that the kernels are written for. All give the same bits; only the time differs.
enum class SimdLevel { scalar, neon, avx2 };

/// What this build and this processor can run, slowest first; never empty.
const std::vector<SimdLevel>& simd_levels();

/// The last of simd_levels(); what every kernel uses unless told otherwise.
SimdLevel best_simd_level();

/// Whether the processor computes in half precision (ARMv8.2 FEAT_FP16; a Raspberry Pi 5, RK3588's big
/// cores).
bool has_half_precision_arithmetic();

/// "scalar", "neon" or "avx2".
std::string_view name_of(SimdLevel level);

}  // namespace yolo_edge
