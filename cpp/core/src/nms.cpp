#include "yolo_edge/nms.h"

#include <algorithm>

#include "argument_error.h"

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

float area_of(const Proposal& box) {
    return (box.x1 - box.x0) * (box.y1 - box.y0);
}

bool overlaps(const Proposal& box, float area, const KeptBlock& block, float iou) {
    for (std::size_t i = 0; i < static_cast<std::size_t>(block.count); ++i) {
        const float width = std::max(0.0F, std::min(box.x1, block.x1[i]) - std::max(box.x0, block.x0[i]));
        const float height = std::max(0.0F, std::min(box.y1, block.y1[i]) - std::max(box.y0, block.y0[i]));
        const float intersection = width * height;
        if (intersection / (block.area[i] + area - intersection) > iou) return true;
    }
    return false;
}

/// Adds a kept box to the chain of blocks of its class.
void keep(const Proposal& box, float area, std::size_t group, NmsBuffers& buffers) {
    int& last = buffers.last_block[group];
    if (last < 0 || buffers.blocks[static_cast<std::size_t>(last)].count == 8) {
        const int fresh = static_cast<int>(buffers.blocks.size());
        if (last < 0) {
            buffers.first_block[group] = fresh;
        } else {
            buffers.blocks[static_cast<std::size_t>(last)].next = fresh;
        }
        last = fresh;
        buffers.blocks.push_back(KeptBlock{});
    }
    KeptBlock& block = buffers.blocks[static_cast<std::size_t>(last)];
    const auto at = static_cast<std::size_t>(block.count++);
    block.x0[at] = box.x0;
    block.y0[at] = box.y0;
    block.x1[at] = box.x1;
    block.y1[at] = box.y1;
    block.area[at] = area;
}

}  // namespace

void nms_sorted(const std::vector<Proposal>& proposals, const NmsOptions& options, NmsBuffers& buffers,
                std::vector<int>& kept) {
    check(proposals, options);
    int highest_group = 0;
    if (!options.class_agnostic) {
        for (const Proposal& proposal : proposals) highest_group = std::max(highest_group, proposal.class_id);
    }
    buffers.blocks.clear();
    buffers.first_block.assign(static_cast<std::size_t>(highest_group) + 1, -1);
    buffers.last_block.assign(static_cast<std::size_t>(highest_group) + 1, -1);
    kept.clear();
    for (std::size_t i = 0; i < proposals.size(); ++i) {
        const Proposal& box = proposals[i];
        const float area = area_of(box);
        const std::size_t group = options.class_agnostic ? 0 : static_cast<std::size_t>(box.class_id);
        bool suppressed = false;
        for (int b = buffers.first_block[group]; b >= 0 && !suppressed;) {
            const KeptBlock& block = buffers.blocks[static_cast<std::size_t>(b)];
            suppressed = overlaps(box, area, block, options.iou);
            b = block.next;
        }
        if (suppressed) continue;
        kept.push_back(static_cast<int>(i));
        if (kept.size() == static_cast<std::size_t>(options.max_detections)) return;
        keep(box, area, group, buffers);
    }
}

}  // namespace yolo_edge
