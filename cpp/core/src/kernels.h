#pragma once

#include "letterbox_kernels.h"
#include "nms_kernels.h"
#include "proposal_kernels.h"
#include "yolo_edge/simd.h"

namespace yolo_edge {

/// The inner loops of one instruction set.
struct Kernels {
    const LetterboxKernels* letterbox;
    const ProposalKernels* proposals;
    const NmsKernels* nms;
};

/// Throws std::invalid_argument when this build or this processor cannot run them.
const Kernels& kernels_for(SimdLevel level);

}  // namespace yolo_edge
