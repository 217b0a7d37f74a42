#include "yolo_edge/proposals.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "argument_error.h"
#include "proposal_kernels.h"
#include "sigmoid.h"

namespace yolo_edge {
namespace {

/// A logit below which sigmoid(logit) > probability is impossible; whatever lies above is tested exactly.
///
/// The margin covers the rounding of sigmoid, product and logarithm. Near 1 the sigmoid is so flat that no
/// margin would do; from 0.999 on the floor therefore stays.
float logit_floor(double probability) {
    const double capped = std::min(probability, 0.999);
    if (capped <= 0.0) return -std::numeric_limits<float>::infinity();
    return static_cast<float>(std::log(capped / (1.0 - capped)) - 1e-3);
}

void check(const HeadView& head, const ProposalOptions& options, int class_count) {
    if (!(options.confidence >= 0.0F && options.confidence <= 1.0F)) {
        throw argument_error("confidence is ", options.confidence, "; it must be in 0..1");
    }
    for (const int id : options.classes) {
        if (id < 0 || id >= class_count) {
            throw argument_error("classes holds ", id, "; the model's class ids are 0..", class_count - 1);
        }
    }
    if (head.data == nullptr || head.ny < 1 || head.nx < 1) {
        throw argument_error("the head is ", head.ny, "x", head.nx,
                             " cells; it must have data and at least 1x1 cells");
    }
    if (head.plane_stride < static_cast<std::ptrdiff_t>(head.ny) * head.nx) {
        throw argument_error("the head's plane stride is ", head.plane_stride, " floats; a plane has ",
                             head.ny, "x", head.nx);
    }
}

/// Decodes the cells of one anchor of a head.
class AnchorDecoder {
  public:
    AnchorDecoder(const HeadView& head, const HeadSpec& spec, std::size_t anchor, int class_count,
                  const ProposalOptions& options, std::vector<Proposal>& out)
        : planes_(head.data + static_cast<std::ptrdiff_t>(anchor) * (5 + class_count) * head.plane_stride),
          plane_stride_(head.plane_stride),
          nx_(head.nx),
          stride_(static_cast<float>(spec.stride)),
          anchor_(spec.anchors[anchor]),
          options_(options),
          out_(out) {}

    const float* plane(int index) const { return planes_ + index * plane_stride_; }

    /// Appends the proposal of this cell and class if its score is above the threshold.
    void add(int cell, float objectness, int class_id, float class_logit) {
        const float score = objectness * sigmoid(class_logit);
        if (!(score > options_.confidence) || !wanted(class_id)) return;
        Proposal proposal;
        if (!decode_box(cell, proposal)) return;
        proposal.score = score;
        proposal.class_id = class_id;
        out_.push_back(proposal);
    }

  private:
    bool wanted(int class_id) const {
        const auto& ids = options_.classes;
        return ids.empty() || std::find(ids.begin(), ids.end(), class_id) != ids.end();
    }

    bool decode_box(int cell, Proposal& box) const {
        std::array<float, 4> twice;  // 2 * sigmoid(t) of tx, ty, tw, th
        for (int i = 0; i < 4; ++i) {
            const float t = plane(i)[cell];
            if (!std::isfinite(t)) return false;
            twice[static_cast<std::size_t>(i)] = 2.0F * sigmoid(t);
        }
        const float x = (twice[0] + (static_cast<float>(cell % nx_) - 0.5F)) * stride_;
        const float y = (twice[1] + (static_cast<float>(cell / nx_) - 0.5F)) * stride_;
        const float half_width = twice[2] * twice[2] * anchor_.width / 2.0F;
        const float half_height = twice[3] * twice[3] * anchor_.height / 2.0F;
        box.x0 = x - half_width;
        box.y0 = y - half_height;
        box.x1 = x + half_width;
        box.y1 = y + half_height;
        return true;
    }

    const float* planes_;
    std::ptrdiff_t plane_stride_;
    int nx_;
    float stride_;
    Anchor anchor_;
    const ProposalOptions& options_;
    std::vector<Proposal>& out_;
};

}  // namespace

void check_head_spec(const HeadSpec& spec) {
    if (spec.stride < 1)
        throw argument_error("the head's stride is ", spec.stride, "; it must be at least 1");
    if (spec.anchors.empty())
        throw argument_error("the head of stride ", spec.stride, " has no anchors; it needs one");
    for (const Anchor& anchor : spec.anchors) {
        if (!(anchor.width > 0 && anchor.height > 0 && std::isfinite(anchor.width) &&
              std::isfinite(anchor.height))) {
            throw argument_error("the head of stride ", spec.stride, " has an anchor of ", anchor.width, "x",
                                 anchor.height, " px; both sides must be positive");
        }
    }
}

int count_classes(const HeadView& head, const HeadSpec& spec) {
    check_head_spec(spec);
    const int anchors = static_cast<int>(spec.anchors.size());
    if (head.channels % anchors != 0 || head.channels / anchors < 6) {
        throw argument_error("the head of stride ", spec.stride, " has ", head.channels, " channels; with ",
                             anchors, " anchors it must have ", anchors, " * (5 + classes), at least ",
                             anchors * 6);
    }
    return head.channels / anchors - 5;
}

void generate_proposals(const HeadView& head, const HeadSpec& spec, const ProposalOptions& options,
                        ProposalBuffers& buffers, std::vector<Proposal>& out) {
    const int class_count = count_classes(head, spec);
    check(head, options, class_count);
    const ProposalKernels& kernels = proposal_kernels_scalar;
    const float objectness_floor = logit_floor(options.confidence);
    const int cells = head.ny * head.nx;
    std::array<int, block_cells> best;
    std::array<float, block_cells> best_logit;
    std::array<float, block_cells> floors;
    buffers.class_masks.resize(static_cast<std::size_t>(class_count));
    std::uint8_t* masks = buffers.class_masks.data();

    for (std::size_t anchor = 0; anchor < spec.anchors.size(); ++anchor) {
        AnchorDecoder decoder(head, spec, anchor, class_count, options, out);
        for (int begin = 0; begin < cells; begin += block_cells) {
            const int count = std::min(block_cells, cells - begin);
            const float* objectness = decoder.plane(4) + begin;
            const unsigned hits = kernels.objectness_above(objectness, count, objectness_floor);
            if (hits == 0) continue;

            const float* classes = decoder.plane(5) + begin;
            if (!options.multi_label) {
                kernels.best_class(classes, head.plane_stride, class_count, count, best.data(),
                                   best_logit.data());
                for (int i = 0; i < count; ++i) {
                    const auto lane = static_cast<std::size_t>(i);
                    if ((hits >> i & 1U) == 0 || best[lane] < 0) continue;
                    decoder.add(begin + i, sigmoid(objectness[i]), best[lane], best_logit[lane]);
                }
                continue;
            }
            std::array<float, block_cells> probability = {};
            floors.fill(std::numeric_limits<float>::infinity());
            for (int i = 0; i < count; ++i) {
                if ((hits >> i & 1U) == 0) continue;
                const auto lane = static_cast<std::size_t>(i);
                probability[lane] = sigmoid(objectness[i]);
                floors[lane] = logit_floor(static_cast<double>(options.confidence) / probability[lane]);
            }
            kernels.classes_above(classes, head.plane_stride, class_count, count, floors.data(), masks);
            for (int i = 0; i < count; ++i) {
                if ((hits >> i & 1U) == 0) continue;
                for (int c = 0; c < class_count; ++c) {
                    if ((masks[c] >> i & 1U) == 0) continue;
                    decoder.add(begin + i, probability[static_cast<std::size_t>(i)], c,
                                classes[c * head.plane_stride + i]);
                }
            }
        }
    }
}

}  // namespace yolo_edge
