#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "yolo_edge/letterbox_geometry.h"
#include "yolo_edge/proposals.h"

namespace yolo_edge {

/// How the numbers of a head lie in an output tensor, its batch dimension left out; `no` is 5 + classes.
enum class OutputLayout {
    planes,      ///< (na * no, ny, nx): what a detection convolution gives.
    cells,       ///< (na, ny, nx, no).
    flat_cells,  ///< (na, ny * nx, no).
    rows,        ///< (n, no): all heads one after the other; in each of them anchor, row, column.
};

/// What has been done to the numbers already.
enum class Activation {
    none,     ///< Nothing: logits.
    sigmoid,  ///< The sigmoid of every number.
    decoded,  ///< Rows of centre x, centre y, width, height in tensor pixels, objectness and class
              ///< probabilities.
};

struct OutputSpec {
    OutputLayout layout = OutputLayout::planes;
    Activation activation = Activation::none;
};

/// A borrowed output tensor of any strides; the first `dimensions` entries count.
struct OutputView {
    const float* data = nullptr;
    int dimensions = 0;
    std::array<int, 4> shape{};
    std::array<std::ptrdiff_t, 4> strides{};  ///< In floats.
};

/// Throws std::invalid_argument when `outputs` and `heads` do not go together: one output per head, or one
/// output of rows for all of them; decoded outputs are rows, and need no heads.
void check_output_specs(const std::vector<OutputSpec>& outputs, const std::vector<HeadSpec>& heads);

/// What generate_proposals does, for outputs in the forms that other tools export; scalar and without
/// early rejection of classes. The rules are the same: best class or all above the threshold, `classes`
/// filters after that choice, only finite numbers make a box. A decoded box of negative width or height is
/// none.
///
/// `heads` holds the one head of the output, or for rows all of them in the order of the rows; it is not
/// looked at for decoded outputs. Raw planes are generate_proposals' own form: use that.
///
/// Throws std::invalid_argument for what generate_proposals refuses, and for a tensor that does not have the
/// shape which layout, heads and `tensor` give.
void generate_output_proposals(const OutputView& output, OutputSpec spec, const HeadSpec* heads,
                               std::size_t head_count, SizeHW tensor, const ProposalOptions& options,
                               std::vector<Proposal>& out);

}  // namespace yolo_edge
