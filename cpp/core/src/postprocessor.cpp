#include "yolo_edge/postprocessor.h"

#include <utility>

#include "argument_error.h"
#include "kernels.h"
#include "yolo_edge/scale_boxes.h"

namespace yolo_edge {
namespace {

int cells(int pixels, int stride) {
    return pixels / stride + (pixels % stride != 0 ? 1 : 0);  // no sum that could overflow
}

/// Whether a tensor is what generate_proposals reads: planes whose rows follow each other.
bool is_raw_head(const OutputView& output, OutputSpec spec) {
    const auto& [channels, ny, nx, unused] = output.shape;
    return spec.layout == OutputLayout::planes && spec.activation == Activation::none &&
           output.dimensions == 3 && channels > 0 && output.strides[2] == 1 && output.strides[1] == nx &&
           output.strides[0] >= static_cast<std::ptrdiff_t>(ny) * nx;
}

}  // namespace

Postprocessor::Postprocessor(std::vector<HeadSpec> heads, SimdLevel simd)
    : Postprocessor(heads, std::vector<OutputSpec>(heads.size()), simd) {}

Postprocessor::Postprocessor(std::vector<HeadSpec> heads, std::vector<OutputSpec> outputs, SimdLevel simd)
    : heads_(std::move(heads)), outputs_(std::move(outputs)), simd_(simd) {
    kernels_for(simd);  // refuses a level that does not run here
    check_output_specs(outputs_, heads_);
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
    for (std::size_t i = 0; i < heads.size(); ++i) add_head(i, heads[i], geometry, proposal_options);
    return finish(geometry, nms_options);
}

const std::vector<Proposal>& Postprocessor::run_outputs(const std::vector<OutputView>& outputs,
                                                        const LetterboxGeometry& geometry,
                                                        const ProposalOptions& proposal_options,
                                                        const NmsOptions& nms_options) {
    if (outputs.size() != outputs_.size()) {
        throw argument_error("got ", outputs.size(), " outputs; this model has ", outputs_.size());
    }
    proposals_.clear();
    for (std::size_t i = 0; i < outputs.size(); ++i) {
        const OutputView& output = outputs[i];
        if (is_raw_head(output, outputs_[i])) {
            const HeadView head = {output.data, output.shape[0], output.shape[1], output.shape[2],
                                   output.strides[0]};
            add_head(i, head, geometry, proposal_options);
            continue;
        }
        const bool rows = outputs_[i].layout == OutputLayout::rows;
        generate_output_proposals(output, outputs_[i], heads_.data() + (rows ? 0 : i),
                                  rows ? heads_.size() : 1, geometry.tensor, proposal_options, proposals_);
    }
    return finish(geometry, nms_options);
}

void Postprocessor::add_head(std::size_t index, const HeadView& head, const LetterboxGeometry& geometry,
                             const ProposalOptions& options) {
    const HeadSpec& spec = heads_[index];
    const int ny = cells(geometry.tensor.height, spec.stride);
    const int nx = cells(geometry.tensor.width, spec.stride);
    if (head.ny != ny || head.nx != nx) {
        throw argument_error("head ", index, " is ", head.ny, "x", head.nx, " cells; at stride ", spec.stride,
                             " a tensor of ", geometry.tensor.height, "x", geometry.tensor.width, " gives ",
                             ny, "x", nx);
    }
    generate_proposals(head, spec, options, proposal_buffers_, proposals_, simd_);
}

const std::vector<Proposal>& Postprocessor::finish(const LetterboxGeometry& geometry,
                                                   const NmsOptions& options) {
    sort_descending(proposals_, options.max_candidates, sort_buffers_);
    nms_sorted(proposals_, options, nms_buffers_, kept_, simd_);
    detections_.clear();
    for (const int index : kept_) detections_.push_back(proposals_[static_cast<std::size_t>(index)]);
    scale_boxes(detections_, geometry);
    return detections_;
}

}  // namespace yolo_edge
