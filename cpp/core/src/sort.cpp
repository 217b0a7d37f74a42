#include "yolo_edge/sort.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

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

/// Sorts keys by their upper 32 bits, equals staying in order: radix sort, three passes of eleven bits, from
/// the lowest.
void radix_sort(std::vector<std::uint64_t>& keys, std::vector<std::uint64_t>& spare) {
    constexpr int digit_bits = 11;
    constexpr std::size_t buckets = std::size_t{1} << digit_bits;
    spare.resize(keys.size());
    for (const int shift : {32, 32 + digit_bits, 32 + 2 * digit_bits}) {
        const auto digit = [shift](std::uint64_t key) {
            return static_cast<std::size_t>(key >> shift) % buckets;
        };
        std::array<std::uint32_t, buckets> starts = {};
        for (const std::uint64_t key : keys) ++starts[digit(key)];
        if (starts[digit(keys[0])] == keys.size()) continue;  // this digit is the same everywhere
        std::uint32_t start = 0;
        for (std::uint32_t& count : starts) start += std::exchange(count, start);
        for (const std::uint64_t key : keys) spare[starts[digit(key)]++] = key;
        keys.swap(spare);
    }
}

// Below this, comparing is faster than filling three times 2,048 counters.
constexpr std::size_t worth_radix_sort = 500;

}  // namespace

void sort_descending(std::vector<Proposal>& proposals, int max_candidates, SortBuffers& buffers) {
    if (max_candidates < 1)
        throw argument_error("max_candidates is ", max_candidates, "; it must be at least 1");
    // The index in the low half keeps equals in their order.
    buffers.keys.clear();
    for (std::size_t i = 0; i < proposals.size(); ++i) {
        buffers.keys.push_back(static_cast<std::uint64_t>(descending_key(proposals[i].score)) << 32 | i);
    }
    if (buffers.keys.size() < worth_radix_sort) {
        std::sort(buffers.keys.begin(), buffers.keys.end());
    } else {
        radix_sort(buffers.keys, buffers.spare_keys);
    }
    const std::size_t count = std::min(proposals.size(), static_cast<std::size_t>(max_candidates));
    buffers.sorted.clear();
    buffers.sorted.reserve(proposals.capacity());  // the two change places below
    for (std::size_t i = 0; i < count; ++i) {
        buffers.sorted.push_back(proposals[static_cast<std::size_t>(buffers.keys[i] & 0xFFFFFFFFU)]);
    }
    proposals.swap(buffers.sorted);
}

}  // namespace yolo_edge
