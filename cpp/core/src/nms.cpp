#include "yolo_edge/nms.h"

#include <algorithm>
#include <limits>

#include "argument_error.h"
#include "kernels.h"

namespace yolo_edge {
namespace {

constexpr int largest_class_id = 65535;

void check(const std::vector<Proposal>& proposals, const NmsOptions& options) {
    if (!(options.iou >= 0.0F && options.iou <= 1.0F)) {
        throw argument_error("iou is ", options.iou, "; it must be in 0..1");
    }
    if (options.max_detections < 1) {
        throw argument_error("max_detections is ", options.max_detections, "; it must be at least 1");
    }
    for (const Proposal& proposal : proposals) {
        if (proposal.class_id < 0 || proposal.class_id > largest_class_id) {
            throw argument_error("a class id is ", proposal.class_id, "; they must be 0..", largest_class_id);
        }
    }
}

KeptBlock empty_block() {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    KeptBlock block = {};
    std::fill_n(block.x0, 8, infinity);
    std::fill_n(block.y0, 8, infinity);
    std::fill_n(block.x1, 8, -infinity);
    std::fill_n(block.y1, 8, -infinity);
    block.next = -1;
    return block;
}

}  // namespace

/// The kept boxes: a chain of blocks per class, all in one vector.
struct NmsBuffers::Chains {
    std::vector<KeptBlock> blocks;
    std::vector<int> first;  ///< Per class, -1 when nothing of it was kept.
    std::vector<int> last;

    void clear(std::size_t groups) {
        blocks.clear();
        first.assign(groups, -1);
        last.assign(groups, -1);
    }

    void keep(const Proposal& box, float area, std::size_t group) {
        if (last[group] < 0 || blocks[static_cast<std::size_t>(last[group])].count == 8) {
            const int fresh = static_cast<int>(blocks.size());
            if (last[group] < 0) {
                first[group] = fresh;
            } else {
                blocks[static_cast<std::size_t>(last[group])].next = fresh;
            }
            last[group] = fresh;
            blocks.push_back(empty_block());
        }
        KeptBlock& block = blocks[static_cast<std::size_t>(last[group])];
        const int at = block.count++;
        block.x0[at] = box.x0;
        block.y0[at] = box.y0;
        block.x1[at] = box.x1;
        block.y1[at] = box.y1;
        block.area[at] = area;
    }
};

NmsBuffers::NmsBuffers() : chains_(std::make_unique<Chains>()) {}
NmsBuffers::~NmsBuffers() = default;
NmsBuffers::NmsBuffers(NmsBuffers&&) noexcept = default;
NmsBuffers& NmsBuffers::operator=(NmsBuffers&&) noexcept = default;

void nms_sorted(const std::vector<Proposal>& proposals, const NmsOptions& options, NmsBuffers& buffers,
                std::vector<int>& kept, SimdLevel simd) {
    check(proposals, options);
    const NmsKernels& kernels = *kernels_for(simd).nms;
    NmsBuffers::Chains& chains = buffers.chains();
    int highest_group = 0;
    if (!options.class_agnostic) {
        for (const Proposal& proposal : proposals) highest_group = std::max(highest_group, proposal.class_id);
    }
    chains.clear(static_cast<std::size_t>(highest_group) + 1);
    kept.clear();
    for (std::size_t i = 0; i < proposals.size(); ++i) {
        const Proposal& box = proposals[i];
        const std::size_t group = options.class_agnostic ? 0 : static_cast<std::size_t>(box.class_id);
        const float corners[4] = {box.x0, box.y0, box.x1, box.y1};
        const float area = (box.x1 - box.x0) * (box.y1 - box.y0);
        if (kernels.suppressed(corners, area, chains.blocks.data(), chains.first[group], options.iou))
            continue;
        kept.push_back(static_cast<int>(i));
        if (kept.size() == static_cast<std::size_t>(options.max_detections)) return;
        chains.keep(box, area, group);
    }
}

}  // namespace yolo_edge
