#include "yolo_edge/output_proposals.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "argument_error.h"
#include "sigmoid.h"

namespace yolo_edge {
namespace {

const char* name_of(OutputLayout layout) {
    switch (layout) {
        case OutputLayout::planes:
            return "c,h,w";
        case OutputLayout::cells:
            return "na,h,w,no";
        case OutputLayout::flat_cells:
            return "na,h*w,no";
        case OutputLayout::rows:
            return "n,no";
    }
    return "?";
}

int dimensions_of(OutputLayout layout) {
    switch (layout) {
        case OutputLayout::cells:
            return 4;
        case OutputLayout::rows:
            return 2;
        default:
            return 3;
    }
}

std::string shape_of(const OutputView& output) {
    std::string text = "(";
    for (int i = 0; i < output.dimensions; ++i) {
        text += (i ? ", " : "") + std::to_string(output.shape[static_cast<std::size_t>(i)]);
    }
    return text + ")";
}

/// One head's numbers; strides in floats.
struct StridedHead {
    const float* data;
    int ny;
    int nx;
    int channels;  ///< 5 + classes.
    std::ptrdiff_t anchor_stride;
    std::ptrdiff_t row_stride;
    std::ptrdiff_t column_stride;
    std::ptrdiff_t channel_stride;
};

int cells(int pixels, int stride) {
    return pixels / stride + (pixels % stride != 0 ? 1 : 0);  // no sum that could overflow
}

/// Finds the boxes of single cells, whatever they are made of.
class CellReader {
  public:
    CellReader(const ProposalOptions& options, Activation activation, int class_count,
               std::vector<Proposal>& out)
        : options_(options), logits_(activation == Activation::none), class_count_(class_count), out_(out) {}

    /// `decode(box)` computes the corners and returns false when they are no box; it is called at most once.
    template <typename Decode>
    void read(const float* cell, std::ptrdiff_t channel_stride, Decode decode) {
        const float objectness = probability(cell[4 * channel_stride]);
        // No class probability lifts a score above its objectness. False for NaN, too.
        if (!(objectness > options_.confidence)) return;
        const float* scores = cell + 5 * channel_stride;
        Proposal box;
        if (options_.multi_label) {
            bool decoded = false;
            for (int c = 0; c < class_count_; ++c) {
                const float score = objectness * probability(scores[c * channel_stride]);
                if (!passes(score, c)) continue;
                if (!decoded && !decode(box)) return;
                decoded = true;
                add(box, score, c);
            }
            return;
        }
        int best = -1;
        float highest = 0;
        for (int c = 0; c < class_count_; ++c) {
            const float value = scores[c * channel_stride];
            if (std::isfinite(value) && (best < 0 || value > highest)) {
                best = c;
                highest = value;
            }
        }
        if (best < 0) return;
        const float score = objectness * probability(highest);
        if (passes(score, best) && decode(box)) add(box, score, best);
    }

  private:
    /// NaN for what is not finite.
    float probability(float value) const {
        if (!std::isfinite(value)) return std::nanf("");
        return logits_ ? sigmoid(value) : value;
    }

    bool passes(float score, int class_id) const {
        // Numbers far above 1, which are no probabilities, multiply to infinity.
        if (!(score > options_.confidence) || !std::isfinite(score)) return false;
        const auto& ids = options_.classes;
        return ids.empty() || std::find(ids.begin(), ids.end(), class_id) != ids.end();
    }

    void add(Proposal box, float score, int class_id) {
        box.score = score;
        box.class_id = class_id;
        out_.push_back(box);
    }

    const ProposalOptions& options_;
    bool logits_;
    int class_count_;
    std::vector<Proposal>& out_;
};

bool is_finite(const Proposal& box) {
    return std::isfinite(box.x0) && std::isfinite(box.y0) && std::isfinite(box.x1) && std::isfinite(box.y1);
}

void read_head(const StridedHead& head, const HeadSpec& spec, Activation activation,
               const ProposalOptions& options, std::vector<Proposal>& out) {
    CellReader reader(options, activation, head.channels - 5, out);
    const auto stride = static_cast<float>(spec.stride);
    const float* anchor_cells = head.data;
    for (const Anchor& anchor : spec.anchors) {
        for (int row = 0; row < head.ny; ++row) {
            for (int column = 0; column < head.nx; ++column) {
                const float* cell = anchor_cells + row * head.row_stride + column * head.column_stride;
                reader.read(cell, head.channel_stride, [&](Proposal& box) {
                    float t[4];
                    for (int i = 0; i < 4; ++i) {
                        t[i] = cell[i * head.channel_stride];
                        if (!std::isfinite(t[i])) return false;
                        if (activation == Activation::none) t[i] = sigmoid(t[i]);
                    }
                    const float x = (2.0F * t[0] + (static_cast<float>(column) - 0.5F)) * stride;
                    const float y = (2.0F * t[1] + (static_cast<float>(row) - 0.5F)) * stride;
                    const float half_width = 2.0F * t[2] * (2.0F * t[2]) * anchor.width / 2.0F;
                    const float half_height = 2.0F * t[3] * (2.0F * t[3]) * anchor.height / 2.0F;
                    box.x0 = x - half_width;
                    box.y0 = y - half_height;
                    box.x1 = x + half_width;
                    box.y1 = y + half_height;
                    return is_finite(box);
                });
            }
        }
        anchor_cells += head.anchor_stride;
    }
}

void read_decoded(const OutputView& output, const ProposalOptions& options, std::vector<Proposal>& out) {
    CellReader reader(options, Activation::decoded, output.shape[1] - 5, out);
    for (int row = 0; row < output.shape[0]; ++row) {
        const float* cell = output.data + row * output.strides[0];
        reader.read(cell, output.strides[1], [&](Proposal& box) {
            float side[4];
            for (int i = 0; i < 4; ++i) {
                side[i] = cell[i * output.strides[1]];
                if (!std::isfinite(side[i])) return false;
            }
            if (side[2] < 0 || side[3] < 0) return false;
            box.x0 = side[0] - side[2] / 2.0F;
            box.y0 = side[1] - side[3] / 2.0F;
            box.x1 = side[0] + side[2] / 2.0F;
            box.y1 = side[1] + side[3] / 2.0F;
            return is_finite(box);
        });
    }
}

/// The numbers of the head that begins at row `begin` of an output of rows, or of the output's only head.
StridedHead strided_head(const OutputView& output, OutputLayout layout, const HeadSpec& spec, int begin,
                         SizeHW tensor) {
    const auto& shape = output.shape;
    const auto& s = output.strides;
    const int anchors = static_cast<int>(spec.anchors.size());
    StridedHead head{};
    head.data = output.data;
    head.ny = cells(tensor.height, spec.stride);
    head.nx = cells(tensor.width, spec.stride);
    bool fits = true;
    switch (layout) {
        case OutputLayout::planes:
            fits = shape[0] % anchors == 0 && shape[1] == head.ny && shape[2] == head.nx;
            head.channels = shape[0] / anchors;
            head.anchor_stride = head.channels * s[0];
            head.row_stride = s[1];
            head.column_stride = s[2];
            head.channel_stride = s[0];
            break;
        case OutputLayout::cells:
            fits = shape[0] == anchors && shape[1] == head.ny && shape[2] == head.nx;
            head.channels = shape[3];
            head.anchor_stride = s[0];
            head.row_stride = s[1];
            head.column_stride = s[2];
            head.channel_stride = s[3];
            break;
        case OutputLayout::flat_cells:
            fits = shape[0] == anchors && shape[1] == head.ny * head.nx;
            head.channels = shape[2];
            head.anchor_stride = s[0];
            head.row_stride = head.nx * s[1];
            head.column_stride = s[1];
            head.channel_stride = s[2];
            break;
        case OutputLayout::rows:
            head.data += begin * s[0];
            head.channels = shape[1];
            head.anchor_stride = head.ny * head.nx * s[0];
            head.row_stride = head.nx * s[0];
            head.column_stride = s[0];
            head.channel_stride = s[1];
            break;
    }
    if (!fits || head.channels < 6) {
        throw argument_error("the output of the head of stride ", spec.stride, " is ", shape_of(output),
                             "; as ", name_of(layout), " with ", anchors, " anchors a tensor of ",
                             tensor.height, "x", tensor.width, " gives ", head.ny, "x", head.nx,
                             " cells and at least 6 numbers per anchor");
    }
    return head;
}

}  // namespace

void check_output_specs(const std::vector<OutputSpec>& outputs, const std::vector<HeadSpec>& heads) {
    const auto is_rows = [](OutputSpec spec) { return spec.layout == OutputLayout::rows; };
    for (const OutputSpec& spec : outputs) {
        if (spec.activation == Activation::decoded && !is_rows(spec)) {
            throw argument_error("a decoded output is ", name_of(spec.layout), "; it must be n,no");
        }
    }
    if (std::any_of(outputs.begin(), outputs.end(), is_rows)) {
        if (outputs.size() != 1) {
            throw argument_error("got ", outputs.size(), " outputs; one of n,no must be the only one");
        }
        if (outputs[0].activation != Activation::decoded && heads.empty()) {
            throw argument_error("heads is empty; only a decoded output needs none");
        }
    } else if (heads.empty()) {
        throw argument_error("heads is empty; a detector has at least one");
    } else if (outputs.size() != heads.size()) {
        throw argument_error("got ", outputs.size(), " outputs for ", heads.size(),
                             " heads; there must be one for each, or one of n,no");
    }
}

void generate_output_proposals(const OutputView& output, OutputSpec spec, const HeadSpec* heads,
                               std::size_t head_count, SizeHW tensor, const ProposalOptions& options,
                               std::vector<Proposal>& out) {
    const int dimensions = dimensions_of(spec.layout);
    if (output.data == nullptr || output.dimensions != dimensions) {
        throw argument_error("an output is ", shape_of(output), "; ", name_of(spec.layout), " has ",
                             dimensions, " dimensions");
    }
    if (spec.layout != OutputLayout::rows) {
        if (head_count != 1) throw argument_error("got ", head_count, " heads for an output of one");
        check_head_spec(heads[0]);
        const StridedHead head = strided_head(output, spec.layout, heads[0], 0, tensor);
        check_proposal_options(options, head.channels - 5);
        read_head(head, heads[0], spec.activation, options, out);
        return;
    }
    if (output.shape[1] < 6) {
        throw argument_error("an output is ", shape_of(output), "; n,no has at least 6 columns");
    }
    check_proposal_options(options, output.shape[1] - 5);
    if (spec.activation == Activation::decoded) {
        read_decoded(output, options, out);
        return;
    }
    long long rows = 0;
    for (std::size_t i = 0; i < head_count; ++i) {
        check_head_spec(heads[i]);
        rows += static_cast<long long>(heads[i].anchors.size()) * cells(tensor.height, heads[i].stride) *
                cells(tensor.width, heads[i].stride);
    }
    if (rows != output.shape[0]) {
        throw argument_error("an output is ", shape_of(output), "; with a tensor of ", tensor.height, "x",
                             tensor.width, " the heads give ", rows, " rows");
    }
    int begin = 0;
    for (std::size_t i = 0; i < head_count; ++i) {
        const StridedHead head = strided_head(output, spec.layout, heads[i], begin, tensor);
        read_head(head, heads[i], spec.activation, options, out);
        begin += static_cast<int>(heads[i].anchors.size()) * head.ny * head.nx;
    }
}

}  // namespace yolo_edge
