#pragma once

#include <vector>

#include "yolo_edge/letterbox_geometry.h"
#include "yolo_edge/nms.h"
#include "yolo_edge/output_proposals.h"
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

    /// For outputs in other forms than raw heads; see check_output_specs for what goes together.
    Postprocessor(std::vector<HeadSpec> heads, std::vector<OutputSpec> outputs,
                  SimdLevel simd = best_simd_level());

    const std::vector<HeadSpec>& heads() const { return heads_; }
    const std::vector<OutputSpec>& outputs() const { return outputs_; }

    /// Returns the boxes in pixels of the source image, highest score first; valid until the next call.
    ///
    /// Throws std::invalid_argument for whatever the steps refuse, and when the heads differ in number from
    /// the specs or do not have the size that the geometry's tensor gives at their stride.
    const std::vector<Proposal>& run(const std::vector<HeadView>& heads, const LetterboxGeometry& geometry,
                                     const ProposalOptions& proposal_options, const NmsOptions& nms_options);

    /// The same for outputs of the forms that the constructor was told. Raw planes with contiguous rows take
    /// the way of run().
    const std::vector<Proposal>& run_outputs(const std::vector<OutputView>& outputs,
                                             const LetterboxGeometry& geometry,
                                             const ProposalOptions& proposal_options,
                                             const NmsOptions& nms_options);

  private:
    void add_head(std::size_t index, const HeadView& head, const LetterboxGeometry& geometry,
                  const ProposalOptions& options);
    const std::vector<Proposal>& finish(const LetterboxGeometry& geometry, const NmsOptions& options);

    std::vector<HeadSpec> heads_;
    std::vector<OutputSpec> outputs_;
    SimdLevel simd_;
    ProposalBuffers proposal_buffers_;
    std::vector<Proposal> proposals_;
    SortBuffers sort_buffers_;
    NmsBuffers nms_buffers_;
    std::vector<int> kept_;
    std::vector<Proposal> detections_;
};

}  // namespace yolo_edge
