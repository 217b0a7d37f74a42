#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "yolo_edge/simd.h"

namespace yolo_edge {

/// An anchor's size in tensor pixels.
struct Anchor {
    float width = 0;
    float height = 0;
};

/// What a detection head predicts: one box per anchor and cell.
struct HeadSpec {
    int stride = 0;               ///< Tensor pixels per cell.
    std::vector<Anchor> anchors;  ///< In the order of the head's channels.
};

/// A borrowed raw head: the output of a detection convolution, no sigmoid, anchors x (5 + classes) planes of
/// ny x nx floats. The planes of an anchor are tx, ty, tw, th, objectness, then the classes.
struct HeadView {
    const float* data = nullptr;
    int channels = 0;  ///< anchors * (5 + classes).
    int ny = 0;        ///< Rows of cells.
    int nx = 0;        ///< Cells in a row; rows are contiguous.
    std::ptrdiff_t plane_stride =
        0;  ///< Floats from a plane to the next one; ncnn pads its planes beyond ny * nx.
};

/// A scored box, corners in pixels.
struct Proposal {
    float x0 = 0;
    float y0 = 0;
    float x1 = 0;
    float y1 = 0;
    float score = 0;  ///< Objectness times class probability, 0..1.
    int class_id = 0;
};

struct ProposalOptions {
    float confidence =
        0.25F;  ///< Keep a score strictly greater than this; 0..1. Low values cost time in NMS.
    bool multi_label = false;  ///< false: the best class of a cell; true: every class above the threshold.
    std::vector<int> classes;  ///< Keep only these class ids; empty keeps all.
};

/// Working memory of generate_proposals; keep it between calls and nothing is allocated once it has grown.
class ProposalBuffers {
  public:
    ProposalBuffers();
    ~ProposalBuffers();
    ProposalBuffers(ProposalBuffers&&) noexcept;
    ProposalBuffers& operator=(ProposalBuffers&&) noexcept;

    struct Lists;
    Lists& lists() { return *lists_; }

  private:
    std::unique_ptr<Lists> lists_;
};

/// Throws std::invalid_argument for a stride below 1 or when there is no anchor or one without a positive
/// size.
void check_head_spec(const HeadSpec& spec);

/// Throws std::invalid_argument for a threshold outside 0..1 or an unknown class id.
void check_proposal_options(const ProposalOptions& options, int class_count);

/// Number of classes of a head; throws std::invalid_argument when its channels do not fit its anchors.
int count_classes(const HeadView& head, const HeadSpec& spec);

/// Decodes a raw head and appends the boxes above the threshold to `out`, corners in tensor pixels.
///
/// `xy = (2 s(t) - 0.5 + cell) * stride`, `wh = (2 s(t))^2 * anchor`, `score = s(objectness) * s(class)` with
/// s = sigmoid (YOLOv5, models/yolo.py, class Detect). Order as YOLOv5 flattens: anchor, row, column, class.
///
/// The best class is the one of the highest logit, the first of equals; `classes` filters after that choice,
/// as in YOLOv5. Only finite numbers make a box: a class whose logit is NaN or infinite is passed over, and
/// so is a cell whose objectness or one of whose four box logits is.
///
/// Throws std::invalid_argument for a threshold outside 0..1, a stride below 1, no or non-positive anchors,
/// channels that do not fit the anchors, an unknown class id or a plane stride below ny * nx.
void generate_proposals(const HeadView& head, const HeadSpec& spec, const ProposalOptions& options,
                        ProposalBuffers& buffers, std::vector<Proposal>& out,
                        SimdLevel simd = best_simd_level());

}  // namespace yolo_edge
