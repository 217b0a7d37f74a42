#include "yolo_edge/postprocessor.h"

#include <utility>

#include "argument_error.h"
#include "kernels.h"
#include "yolo_edge/scale_boxes.h"

namespace yolo_edge {
namespace {

int cells(int pixels, int stride) {
    return (pixels + stride - 1) / stride;
}

}  // namespace

Postprocessor::Postprocessor(std::vector<HeadSpec> heads, SimdLevel simd)
    : heads_(std::move(heads)), simd_(simd) {
    kernels_for(simd);  // refuses a level that does not run here
    if (heads_.empty()) throw argument_error("heads is empty; a detector has at least one");
    for (const HeadSpec& spec : heads_) check_head_spec(spec);
}

const std::vector<Proposal>& Postprocessor::run(const std::vector<HeadView>& heads,
                                                const LetterboxGeometry& geometry,
                                                const ProposalOptions& proposal_options,
                                                const NmsOptions& nms_options) {
    if (heads.size() != heads_.size()) {
        throw argument_error("got ", heads.size(), " heads; this model has ", heads_.size());
    }
    proposals_.clear();
    for (std::size_t i = 0; i < heads.size(); ++i) {
        const HeadView& head = heads[i];
        const int stride = heads_[i].stride;
        const int ny = cells(geometry.tensor.height, stride);
        const int nx = cells(geometry.tensor.width, stride);
        if (head.ny != ny || head.nx != nx) {
            throw argument_error("head ", i, " is ", head.ny, "x", head.nx, " cells; at stride ", stride,
                                 " a tensor of ", geometry.tensor.height, "x", geometry.tensor.width,
                                 " gives ", ny, "x", nx);
        }
        generate_proposals(head, heads_[i], proposal_options, proposal_buffers_, proposals_, simd_);
    }
    sort_descending(proposals_, nms_options.max_candidates, sort_buffers_);
    nms_sorted(proposals_, nms_options, nms_buffers_, kept_, simd_);
    detections_.clear();
    for (const int index : kept_) detections_.push_back(proposals_[static_cast<std::size_t>(index)]);
    scale_boxes(detections_, geometry);
    return detections_;
}

}  // namespace yolo_edge
