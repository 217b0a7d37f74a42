#include <limits>

#include "proposal_kernels.h"

namespace yolo_edge {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

unsigned objectness_above(const float* objectness, int count, float floor) {
    unsigned mask = 0;
    for (int i = 0; i < count; ++i) {
        if (objectness[i] > floor && objectness[i] < infinity) mask |= 1U << i;
    }
    return mask;
}

void best_class(const float* classes, std::ptrdiff_t plane_stride, int class_count, int count, int* best,
                float* best_logit) {
    for (int i = 0; i < count; ++i) {
        best[i] = -1;
        best_logit[i] = -infinity;
        for (int c = 0; c < class_count; ++c) {
            const float logit = classes[c * plane_stride + i];
            if (logit > best_logit[i] && logit < infinity) {
                best[i] = c;
                best_logit[i] = logit;
            }
        }
    }
}

void classes_above(const float* classes, std::ptrdiff_t plane_stride, int class_count, int count,
                   const float* floors, std::uint8_t* masks) {
    for (int c = 0; c < class_count; ++c) {
        const float* logits = classes + c * plane_stride;
        unsigned mask = 0;
        for (int i = 0; i < count; ++i) {
            if (logits[i] > floors[i] && logits[i] < infinity) mask |= 1U << i;
        }
        masks[c] = static_cast<std::uint8_t>(mask);
    }
}

}  // namespace

const ProposalKernels proposal_kernels_scalar = {objectness_above, best_class, classes_above};

}  // namespace yolo_edge
