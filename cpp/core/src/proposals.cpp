#include "yolo_edge/proposals.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "argument_error.h"
#include "kernels.h"

namespace yolo_edge {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

/// A logit below which sigmoid(logit) > probability is impossible; whatever lies above is tested exactly.
///
/// The margin covers the rounding of sigmoid, product and logarithm. Near 1 the sigmoid is so flat that no
/// margin would do; from 0.999 on the floor therefore stays.
float logit_floor(double probability) {
    const double capped = std::min(probability, 0.999);
    if (capped <= 0.0) return -infinity;
    return static_cast<float>(std::log(capped / (1.0 - capped)) - 1e-3);
}

void check(const HeadView& head) {
    if (head.data == nullptr || head.ny < 1 || head.nx < 1) {
        throw argument_error("the head is ", head.ny, "x", head.nx,
                             " cells; it must have data and at least 1x1 cells");
    }
    if (head.plane_stride < static_cast<std::ptrdiff_t>(head.ny) * head.nx) {
        throw argument_error("the head's plane stride is ", head.plane_stride, " floats; a plane has ",
                             head.ny, "x", head.nx);
    }
}

}  // namespace

/// What is known of the cells worth a look, of one anchor of a head; eight places per block.
struct ProposalBuffers::Lists {
    std::vector<CellBlock> blocks;
    std::vector<float> objectness;  ///< Logits, then probabilities.
    std::vector<float> logits;      ///< Best class: its logit. All classes: the floor of the cell.
    std::vector<int> best;          ///< Best class: its id, or -1.

    std::vector<ClassHit> hits;  ///< All classes: by class, then by block.
    std::size_t hit_count = 0;
    std::vector<int> ends;     ///< Per place, the end of its part of the three lists that follow.
    std::vector<int> hit_ids;  ///< By place, then by class.
    std::vector<float> hit_logits;
    std::vector<float> hit_probabilities;
};

ProposalBuffers::ProposalBuffers() : lists_(std::make_unique<Lists>()) {}
ProposalBuffers::~ProposalBuffers() = default;
ProposalBuffers::ProposalBuffers(ProposalBuffers&&) noexcept = default;
ProposalBuffers& ProposalBuffers::operator=(ProposalBuffers&&) noexcept = default;

namespace {

/// Decodes one anchor of a head.
class AnchorDecoder {
  public:
    AnchorDecoder(const HeadView& head, const HeadSpec& spec, std::size_t anchor, int class_count,
                  const ProposalOptions& options, const ProposalKernels& kernels,
                  ProposalBuffers::Lists& lists, std::vector<Proposal>& out)
        : planes_(head.data + static_cast<std::ptrdiff_t>(anchor) * (5 + class_count) * head.plane_stride),
          plane_stride_(head.plane_stride),
          nx_(head.nx),
          cells_(head.ny * head.nx),
          class_count_(class_count),
          stride_(static_cast<float>(spec.stride)),
          anchor_(spec.anchors[anchor]),
          options_(options),
          kernels_(kernels),
          lists_(lists),
          out_(out) {}

    void run() {
        if (!find_cells()) return;
        if (options_.multi_label) {
            add_all_classes();
        } else {
            add_best_classes();
        }
    }

  private:
    const float* plane(int index) const { return planes_ + index * plane_stride_; }
    const float* plane_after(int class_id) const {
        return plane(5 + std::min(class_id + 1, class_count_ - 1));
    }

    /// Calls visit(place in the lists, cell) for each cell whose objectness is high enough, rising.
    template <typename Visit>
    void for_each_cell(Visit visit) const {
        for (std::size_t b = 0; b < lists_.blocks.size(); ++b) {
            for (std::uint32_t i = 0; i < block_cells; ++i) {
                if ((lists_.blocks[b].mask >> i & 1U) == 0) continue;
                visit(b * block_cells + i, lists_.blocks[b].begin + static_cast<int>(i));
            }
        }
    }

    /// Fills blocks and objectness; false when there is no cell.
    bool find_cells() {
        lists_.blocks.resize(static_cast<std::size_t>(cells_ / block_cells + 1));
        const int count =
            kernels_.find_blocks(plane(4), cells_, logit_floor(options_.confidence), lists_.blocks.data());
        lists_.blocks.resize(static_cast<std::size_t>(count));
        lists_.objectness.assign(places(), 0.0F);
        for_each_cell([&](std::size_t place, int cell) { lists_.objectness[place] = plane(4)[cell]; });
        kernels_.sigmoids(lists_.objectness.data(), static_cast<int>(places()), lists_.objectness.data());
        return count > 0;
    }

    std::size_t places() const { return lists_.blocks.size() * block_cells; }

    void add_best_classes() {
        lists_.logits.assign(places(), -infinity);
        lists_.best.assign(places(), -1);
        for (int c = 0; c < class_count_; ++c) {
            kernels_.best_class(plane(5 + c), plane_after(c), cells_, lists_.blocks.data(),
                                static_cast<int>(lists_.blocks.size()), c, lists_.logits.data(),
                                lists_.best.data());
        }
        kernels_.sigmoids(lists_.logits.data(), static_cast<int>(places()), lists_.logits.data());
        for_each_cell([&](std::size_t place, int cell) {
            const int best = lists_.best[place];
            const float score = lists_.objectness[place] * lists_.logits[place];
            if (best < 0 || !passes(score, best)) return;
            Proposal box;
            if (decode_box(cell, box)) add(box, score, best);
        });
    }

    void add_all_classes() {
        find_classes();
        int begin = 0;
        for_each_cell([&](std::size_t place, int cell) {
            const int end = lists_.ends[place];
            Proposal box;
            bool decoded = false;
            for (int k = begin; k < end; ++k) {
                const auto at = static_cast<std::size_t>(k);
                const float score = lists_.objectness[place] * lists_.hit_probabilities[at];
                if (!passes(score, lists_.hit_ids[at])) continue;
                if (!decoded && !decode_box(cell, box)) break;
                decoded = true;
                add(box, score, lists_.hit_ids[at]);
            }
            begin = end;
        });
    }

    /// Fills the hit lists: which classes of which cells may pass. The scan goes by class, the boxes by cell.
    void find_classes() {
        lists_.logits.assign(places(), infinity);
        for_each_cell([&](std::size_t place, int) {
            lists_.logits[place] =
                logit_floor(static_cast<double>(options_.confidence) / lists_.objectness[place]);
        });
        const std::size_t blocks = lists_.blocks.size();
        // Only ever grown: writing zeros over it for each head would show.
        const std::size_t room = blocks * static_cast<std::size_t>(class_count_);
        if (lists_.hits.size() < room) lists_.hits.resize(room);
        std::size_t& hits = lists_.hit_count;
        hits = 0;
        for (int c = 0; c < class_count_; ++c) {
            hits += static_cast<std::size_t>(kernels_.class_above(
                plane(5 + c), plane_after(c), cells_, lists_.blocks.data(), static_cast<int>(blocks), c,
                lists_.logits.data(), lists_.hits.data() + hits));
        }
        sort_hits_by_cell();
        lists_.hit_probabilities.resize(lists_.hit_logits.size());
        kernels_.sigmoids(lists_.hit_logits.data(), static_cast<int>(lists_.hit_logits.size()),
                          lists_.hit_probabilities.data());
    }

    /// Counting sort: how many per place, where each place begins, then each hit to its place.
    void sort_hits_by_cell() {
        const auto for_each_hit = [&](auto visit) {
            for (std::size_t h = 0; h < lists_.hit_count; ++h) {
                const ClassHit& hit = lists_.hits[h];
                for (std::uint32_t mask = hit.mask; mask != 0; mask &= mask - 1) {
                    visit(hit, static_cast<std::size_t>(__builtin_ctz(mask)));
                }
            }
        };
        lists_.ends.assign(places(), 0);
        for_each_hit([&](const ClassHit& hit, std::size_t i) { ++lists_.ends[place_of(hit, i)]; });
        int begin = 0;
        for (int& count : lists_.ends) begin += std::exchange(count, begin);
        lists_.hit_ids.resize(static_cast<std::size_t>(begin));
        lists_.hit_logits.resize(static_cast<std::size_t>(begin));
        for_each_hit([&](const ClassHit& hit, std::size_t i) {
            // What was the begin of the place moves to its end.
            const auto at = static_cast<std::size_t>(lists_.ends[place_of(hit, i)]++);
            const int cell = lists_.blocks[static_cast<std::size_t>(hit.block)].begin + static_cast<int>(i);
            lists_.hit_ids[at] = hit.class_id;
            lists_.hit_logits[at] = plane(5 + hit.class_id)[cell];
        });
    }

    static std::size_t place_of(const ClassHit& hit, std::size_t i) {
        return static_cast<std::size_t>(hit.block) * block_cells + i;
    }

    bool passes(float score, int class_id) const {
        if (!(score > options_.confidence)) return false;
        const auto& ids = options_.classes;
        return ids.empty() || std::find(ids.begin(), ids.end(), class_id) != ids.end();
    }

    /// False when a number is NaN or infinite.
    bool decode_box(int cell, Proposal& box) const {
        float t[4];
        for (int i = 0; i < 4; ++i) {
            t[i] = plane(i)[cell];
            if (!std::isfinite(t[i])) return false;
        }
        kernels_.sigmoids(t, 4, t);
        const float x = (2.0F * t[0] + (static_cast<float>(cell % nx_) - 0.5F)) * stride_;
        const float y = (2.0F * t[1] + (static_cast<float>(cell / nx_) - 0.5F)) * stride_;
        const float half_width = 2.0F * t[2] * (2.0F * t[2]) * anchor_.width / 2.0F;
        const float half_height = 2.0F * t[3] * (2.0F * t[3]) * anchor_.height / 2.0F;
        box.x0 = x - half_width;
        box.y0 = y - half_height;
        box.x1 = x + half_width;
        box.y1 = y + half_height;
        return true;
    }

    void add(Proposal box, float score, int class_id) {
        box.score = score;
        box.class_id = class_id;
        out_.push_back(box);
    }

    const float* planes_;
    std::ptrdiff_t plane_stride_;
    int nx_;
    int cells_;
    int class_count_;
    float stride_;
    Anchor anchor_;
    const ProposalOptions& options_;
    const ProposalKernels& kernels_;
    ProposalBuffers::Lists& lists_;
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

void check_proposal_options(const ProposalOptions& options, int class_count) {
    if (!(options.confidence >= 0.0F && options.confidence <= 1.0F)) {
        throw argument_error("confidence is ", options.confidence, "; it must be in 0..1");
    }
    for (const int id : options.classes) {
        if (id < 0 || id >= class_count) {
            throw argument_error("classes holds ", id, "; the model's class ids are 0..", class_count - 1);
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
                        ProposalBuffers& buffers, std::vector<Proposal>& out, SimdLevel simd) {
    const int class_count = count_classes(head, spec);
    check_proposal_options(options, class_count);
    check(head);
    const bool blocks_fit = head.ny * head.nx >= block_cells;
    const ProposalKernels& kernels = *kernels_for(blocks_fit ? simd : SimdLevel::scalar).proposals;
    for (std::size_t anchor = 0; anchor < spec.anchors.size(); ++anchor) {
        AnchorDecoder(head, spec, anchor, class_count, options, kernels, buffers.lists(), out).run();
    }
}

}  // namespace yolo_edge
