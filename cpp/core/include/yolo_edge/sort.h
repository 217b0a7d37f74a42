#pragma once

#include <cstdint>
#include <vector>

#include "yolo_edge/proposals.h"

namespace yolo_edge {

/// Working memory of sort_descending; keep it between calls and nothing is allocated once it has grown.
struct SortBuffers {
    std::vector<std::uint64_t> keys;
    std::vector<std::uint64_t> spare_keys;
    std::vector<Proposal> sorted;
};

/// Sorts by score, highest first, equals in their old order, and cuts the list to `max_candidates`.
///
/// Throws std::invalid_argument when max_candidates < 1.
void sort_descending(std::vector<Proposal>& proposals, int max_candidates, SortBuffers& buffers);

}  // namespace yolo_edge
