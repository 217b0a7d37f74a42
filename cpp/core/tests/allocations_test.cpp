#include <doctest/doctest.h>

#include <cstdlib>
#include <new>
#include <vector>

#include "levels.h"
#include "random.h"
#include "yolo_edge/letterbox.h"
#include "yolo_edge/postprocessor.h"

namespace {

int allocations = 0;

void* counted(std::size_t size) noexcept {
    ++allocations;
    return std::malloc(size);
}

void* counted_or_throw(std::size_t size) {
    if (void* memory = counted(size)) return memory;
    throw std::bad_alloc();
}

}  // namespace

// Replaces the program's allocation functions: every form, since a sanitizer has its own for those left out.
void* operator new(std::size_t size) {
    return counted_or_throw(size);
}
void* operator new[](std::size_t size) {
    return counted_or_throw(size);
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return counted(size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
    return counted(size);
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete[](void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
    std::free(memory);
}
void operator delete(void* memory, const std::nothrow_t&) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, const std::nothrow_t&) noexcept {
    std::free(memory);
}

using namespace yolo_edge;
using yolo_edge::testing::Random;
using yolo_edge::testing::subcase_per_level;

namespace {

/// How many allocations the second of two calls makes.
template <typename Call>
int allocations_when_repeated(Call call) {
    call();
    const int before = allocations;
    call();
    return allocations - before;
}

}  // namespace

TEST_CASE("the counter counts") {
    CHECK(allocations_when_repeated(
              [] { std::vector<int>(10).swap(*std::make_unique<std::vector<int>>()); }) > 0);
}

TEST_CASE("letterbox allocates nothing after the first frame of a size") {
    const SimdLevel simd = subcase_per_level();
    Random random(1);
    Letterbox letterbox({}, simd);
    for (const SizeHW source : {SizeHW{200, 320}, {128, 256}, {99, 77}}) {
        const std::vector<std::uint8_t> pixels =
            random.bytes(static_cast<std::size_t>(source.height * source.width * 3));
        const ImageView image = {pixels.data(), source.height, source.width, 3 * source.width,
                                 ChannelOrder::bgr};
        LetterboxOptions options;
        options.size = {128, 128};
        const LetterboxGeometry geometry = letterbox_geometry(source, options);
        std::vector<float> values(3 * 128 * 128);
        std::vector<std::uint8_t> levels(3 * 128 * 128);
        CHECK(allocations_when_repeated([&] {
                  letterbox.run(image, geometry, values.data());
                  letterbox.run(image, geometry, levels.data());
              }) == 0);
    }
}

TEST_CASE("the postprocessor allocates nothing once its buffers have grown") {
    const SimdLevel simd = subcase_per_level();
    Random random(2);
    LetterboxOptions options;
    options.size = {256, 256};
    const LetterboxGeometry geometry = letterbox_geometry({256, 256}, options);
    Postprocessor postprocessor({{8, {{10, 13}, {16, 30}}}, {16, {{30, 61}}}}, simd);
    const std::vector<float> fine = random.floats(2 * 25 * 32 * 32, -6.0F, 3.0F);
    const std::vector<float> coarse = random.floats(25 * 16 * 16, -6.0F, 3.0F);
    const std::vector<HeadView> heads = {{fine.data(), 50, 32, 32, 32 * 32},
                                         {coarse.data(), 25, 16, 16, 16 * 16}};
    for (const bool multi_label : {false, true}) {
        for (const float confidence : {0.001F, 0.25F}) {
            ProposalOptions proposal_options;
            proposal_options.confidence = confidence;
            proposal_options.multi_label = multi_label;
            std::size_t found = 0;
            CHECK(allocations_when_repeated(
                      [&] { found = postprocessor.run(heads, geometry, proposal_options, {}).size(); }) == 0);
            CHECK(found > 0);
        }
    }
}
