#include "yolo_edge/sort.h"

#include <algorithm>
#include <cstring>

#include "argument_error.h"

namespace yolo_edge {
namespace {

/// Maps a score to an integer that falls as the score rises (IEEE 754: integer order is float order, but for
/// signs).
std::uint32_t descending_key(float score) {
    std::uint32_t bits;
    std::memcpy(&bits, &score, sizeof bits);
    const std::uint32_t ascending = (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
    return ~ascending;
}

}  // namespace

void sort_descending(std::vector<Proposal>& proposals, int max_candidates, SortBuffers& buffers) {
    if (max_candidates < 1)
        throw argument_error("max_candidates is ", max_candidates, "; it must be at least 1");
    // The index in the low half keeps equals in their order.
    buffers.keys.clear();
    for (std::size_t i = 0; i < proposals.size(); ++i) {
        buffers.keys.push_back(static_cast<std::uint64_t>(descending_key(proposals[i].score)) << 32 | i);
    }
    std::sort(buffers.keys.begin(), buffers.keys.end());
    const std::size_t count = std::min(proposals.size(), static_cast<std::size_t>(max_candidates));
    buffers.sorted.clear();
    for (std::size_t i = 0; i < count; ++i) {
        buffers.sorted.push_back(proposals[static_cast<std::size_t>(buffers.keys[i] & 0xFFFFFFFFU)]);
    }
    proposals.swap(buffers.sorted);
}

}  // namespace yolo_edge
