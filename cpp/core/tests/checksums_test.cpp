#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "levels.h"
#include "random.h"
#include "yolo_edge/letterbox.h"
#include "yolo_edge/postprocessor.h"

// The same numbers on every machine and instruction set: recorded on x86-64, to be found again on ARM. A
// change here means that a bundle checked on a workstation no longer behaves the same on the board.

using namespace yolo_edge;
using yolo_edge::testing::Random;
using yolo_edge::testing::subcase_per_level;

namespace {

/// FNV-1a, 64 bits (Fowler, Noll, Vo), over the values' bytes; all machines in question are little-endian.
template <typename T>
std::uint64_t checksum(const std::vector<T>& values) {
    std::uint64_t hash = 0xCBF29CE484222325U;
    const auto* bytes = reinterpret_cast<const unsigned char*>(values.data());
    for (std::size_t i = 0; i < values.size() * sizeof(T); ++i) hash = (hash ^ bytes[i]) * 0x100000001B3U;
    return hash;
}

}  // namespace

TEST_CASE("letterbox checksums") {
    struct Case {
        std::string name;
        SizeHW source;
        LetterboxMode mode;
        double mean;
        double scale;
        std::uint64_t float32;
        std::uint64_t uint8;
    };
    const SimdLevel simd = subcase_per_level();
    const Case cases[] = {
        {"half", {360, 640}, LetterboxMode::rect, 0, 1 / 255.0, 5957904194481883217U, 13483142730284098097U},
        {"third",
         {540, 960},
         LetterboxMode::square,
         0,
         1 / 255.0,
         11126350538143923847U,
         18220394036438211178U},
        {"crooked",
         {333, 517},
         LetterboxMode::rect,
         0,
         1 / 255.0,
         16437862172116417952U,
         16024186968514585048U},
        {"enlarged",
         {77, 41},
         LetterboxMode::rect,
         0,
         1 / 255.0,
         16923325003075479953U,
         16901435847889411037U},
        {"stretched, mean",
         {200, 411},
         LetterboxMode::stretch,
         103.53,
         0.017429,
         11209929840903298621U,
         1541628616044121941U},
    };
    Random random(11);
    for (const Case& c : cases) {
        CAPTURE(c.name);
        Normalization normalization;
        normalization.mean.fill(c.mean);
        normalization.scale.fill(c.scale);
        Letterbox letterbox(normalization, simd);
        LetterboxOptions options;
        options.size = {320, 320};
        options.mode = c.mode;
        const LetterboxGeometry geometry = letterbox_geometry(c.source, options);
        const auto numbers = static_cast<std::size_t>(3 * geometry.tensor.height * geometry.tensor.width);
        const auto pixels = random.bytes(static_cast<std::size_t>(3 * c.source.height * c.source.width));
        const ImageView image = {pixels.data(), c.source.height, c.source.width, 3 * c.source.width,
                                 ChannelOrder::bgr};
        std::vector<float> values(numbers);
        std::vector<std::uint8_t> levels(numbers);
        letterbox.run(image, geometry, values.data());
        letterbox.run(image, geometry, levels.data());
        CHECK(checksum(values) == c.float32);
        CHECK(checksum(levels) == c.uint8);
    }
}

TEST_CASE("postprocessor checksums") {
    struct Case {
        std::string name;
        float confidence;
        bool multi_label;
        std::size_t count;
        std::uint64_t boxes;
    };
    const SimdLevel simd = subcase_per_level();
    const Case cases[] = {
        {"best class", 0.25F, false, 1753, 15497344131354665647U},
        {"all classes", 0.8F, true, 2743, 3267100664593054022U},
        {"all classes, low threshold", 0.001F, true, 5000, 9426375749115917962U},
    };
    Random random(12);
    const std::vector<float> fine = random.floats(3 * 25 * 33 * 35, -9.0F, 4.0F);
    const std::vector<float> coarse = random.floats(3 * 25 * 17 * 18, -9.0F, 4.0F);
    const std::vector<HeadView> heads = {{fine.data(), 75, 33, 35, 33 * 35},
                                         {coarse.data(), 75, 17, 18, 17 * 18}};
    LetterboxOptions options;
    options.size = {264, 280};
    options.stride = 8;
    const LetterboxGeometry geometry = letterbox_geometry({531, 560}, options);
    Postprocessor postprocessor({{8, {{10, 13}, {16, 30}, {33, 23}}}, {16, {{30, 61}, {62, 45}, {59, 119}}}},
                                simd);
    NmsOptions nms_options;
    nms_options.max_detections = 5000;
    for (const Case& c : cases) {
        CAPTURE(c.name);
        ProposalOptions proposal_options;
        proposal_options.confidence = c.confidence;
        proposal_options.multi_label = c.multi_label;
        const std::vector<Proposal>& found =
            postprocessor.run(heads, geometry, proposal_options, nms_options);
        CHECK(found.size() == c.count);
        CHECK(checksum(found) == c.boxes);
    }
}
