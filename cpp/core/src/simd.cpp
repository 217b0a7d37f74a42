#include "yolo_edge/simd.h"

#include <algorithm>

#if (defined(__aarch64__) || defined(__arm__)) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "argument_error.h"
#include "kernels.h"

namespace yolo_edge {
namespace {

std::vector<SimdLevel> find_levels() {
    std::vector<SimdLevel> levels = {SimdLevel::scalar};
#if defined(YOLO_EDGE_HAVE_NEON) && defined(__aarch64__)
    levels.push_back(SimdLevel::neon);  // every 64-bit ARM processor has it
#elif defined(YOLO_EDGE_HAVE_NEON) && defined(__linux__)
    constexpr unsigned long needed = HWCAP_NEON | HWCAP_VFPv4;  // VFPv4 is the fused multiply-add
    if ((getauxval(AT_HWCAP) & needed) == needed) levels.push_back(SimdLevel::neon);
#endif
#ifdef YOLO_EDGE_HAVE_AVX2
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) levels.push_back(SimdLevel::avx2);
#endif
    return levels;
}

}  // namespace

const std::vector<SimdLevel>& simd_levels() {
    static const std::vector<SimdLevel> levels = find_levels();
    return levels;
}

SimdLevel best_simd_level() {
    return simd_levels().back();
}

bool has_half_precision_arithmetic() {
#if defined(__aarch64__) && defined(__linux__)
    return (getauxval(AT_HWCAP) & HWCAP_ASIMDHP) != 0;
#else
    return false;
#endif
}

std::string_view name_of(SimdLevel level) {
    switch (level) {
        case SimdLevel::scalar:
            return "scalar";
        case SimdLevel::neon:
            return "neon";
        case SimdLevel::avx2:
            return "avx2";
    }
    throw argument_error("SimdLevel is ", static_cast<int>(level), "; it must be scalar, neon or avx2");
}

const Kernels& kernels_for(SimdLevel level) {
    static constexpr Kernels scalar = {&letterbox_kernels_scalar, &proposal_kernels_scalar,
                                       &nms_kernels_scalar};
    const std::vector<SimdLevel>& levels = simd_levels();
    if (std::find(levels.begin(), levels.end(), level) == levels.end()) {
        throw argument_error("the SIMD level ", name_of(level), " does not run here; the best that does is ",
                             name_of(best_simd_level()));
    }
#ifdef YOLO_EDGE_HAVE_AVX2
    static constexpr Kernels avx2 = {&letterbox_kernels_avx2, &proposal_kernels_avx2, &nms_kernels_avx2};
    if (level == SimdLevel::avx2) return avx2;
#endif
#ifdef YOLO_EDGE_HAVE_NEON
    static constexpr Kernels neon = {&letterbox_kernels_neon, &proposal_kernels_neon, &nms_kernels_neon};
    if (level == SimdLevel::neon) return neon;
#endif
    return scalar;
}

}  // namespace yolo_edge
