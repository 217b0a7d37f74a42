#pragma once

#include <vector>

#include "yolo_edge/letterbox_geometry.h"
#include "yolo_edge/nms.h"
#include "yolo_edge/proposals.h"
#include "yolo_edge/simd.h"
#include "yolo_edge/sort.h"

namespace yolo_edge {

/// From raw heads to final boxes: proposals, sort, NMS, back to the source image.
///
/// Owns its buffers: nothing is allocated once they have grown. An object serves one thread at a time.
class Postprocessor {
  public:
    /// `heads` in the order in which run() gets them; any number, any order of strides.
    explicit Postprocessor(std::vector<HeadSpec> heads, SimdLevel simd = best_simd_level());

    const std::vector<HeadSpec>& heads() const { return heads_; }

    /// Returns the boxes in pixels of the source image, highest score first; valid until the next call.
    ///
    /// Throws std::invalid_argument for whatever the steps refuse, and when the heads differ in number from
    /// the specs or do not have the size that the geometry's tensor gives at their stride.
    const std::vector<Proposal>& run(const std::vector<HeadView>& heads, const LetterboxGeometry& geometry,
                                     const ProposalOptions& proposal_options, const NmsOptions& nms_options);

  private:
    std::vector<HeadSpec> heads_;
    SimdLevel simd_;
    ProposalBuffers proposal_buffers_;
    std::vector<Proposal> proposals_;
    SortBuffers sort_buffers_;
    NmsBuffers nms_buffers_;
    std::vector<int> kept_;
    std::vector<Proposal> detections_;
};

}  // namespace yolo_edge
