#include "yolo_edge/letterbox.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "levels.h"
#include "random.h"

using namespace yolo_edge;
using yolo_edge::testing::Random;
using yolo_edge::testing::subcase_per_level;

namespace {

/// One resized grey level, written from OpenCV's arithmetic and nothing else: no plan, no rows, no caching.
int bilinear(const ImageView& image, SizeHW resized, int y, int x, int channel) {
    const auto position = [](int i, int to, int from) {
        return static_cast<float>((i + 0.5) * (1.0 / (static_cast<double>(to) / from)) - 0.5);
    };
    const auto weight = [](float part) { return static_cast<int>(std::nearbyint(part * 2048.0F)); };
    const float px = position(x, resized.width, image.width);
    const float py = position(y, resized.height, image.height);
    int sx = static_cast<int>(std::floor(px));
    float fx = px - std::floor(px);
    if (sx < 0 || sx >= image.width - 1) {
        sx = std::clamp(sx, 0, image.width - 1);
        fx = 0;
    }
    const int sy = static_cast<int>(std::floor(py));
    const float fy = py - std::floor(py);
    const auto at = [&](int row, int column) {
        const int r = std::clamp(row, 0, image.height - 1);
        const int c = std::min(column, image.width - 1);
        return static_cast<int>(image.data[r * image.row_stride + c * 3 + channel]);
    };
    const auto horizontal = [&](int row) {
        return (at(row, sx) * weight(1.0F - fx) + at(row, sx + 1) * weight(fx)) >> 4;
    };
    return (((weight(1.0F - fy) * horizontal(sy)) >> 16) + ((weight(fy) * horizontal(sy + 1)) >> 16) + 2) >>
           2;
}

struct Image {
    std::vector<std::uint8_t> bytes;
    ImageView view;
};

Image random_image(Random& random, int height, int width, int extra_bytes = 0, bool bottom_up = false) {
    Image image;
    const std::ptrdiff_t stride = 3 * width + extra_bytes;
    // The last row ends with its last pixel, so that a sanitizer sees a read past it.
    image.bytes = random.bytes(static_cast<std::size_t>(stride * (height - 1) + 3 * width));
    image.view = {image.bytes.data(), height, width, stride, ChannelOrder::bgr};
    if (bottom_up) {
        image.view.data += stride * (height - 1);
        image.view.row_stride = -stride;
    }
    return image;
}

template <typename T>
std::vector<T> run(Letterbox& letterbox, const ImageView& image, const LetterboxGeometry& geometry) {
    std::vector<T> out(3 * static_cast<std::size_t>(geometry.tensor.height * geometry.tensor.width), T(77));
    letterbox.run(image, geometry, out.data());
    return out;
}

/// Compares the uint8 and the float tensor with the naive arithmetic, padding and channel order included.
void check_against_naive(Letterbox& letterbox, const ImageView& image, const LetterboxGeometry& g) {
    const Normalization& n = letterbox.normalization();
    const std::vector<std::uint8_t> levels = run<std::uint8_t>(letterbox, image, g);
    const std::vector<float> values = run<float>(letterbox, image, g);
    std::size_t at = 0;
    int wrong = 0;
    for (std::size_t channel = 0; channel < 3; ++channel) {
        const int from = static_cast<int>(n.channels == image.order ? channel : 2 - channel);
        for (int y = 0; y < g.tensor.height; ++y) {
            for (int x = 0; x < g.tensor.width; ++x, ++at) {
                const int row = y - g.top;
                const int column = x - g.left;
                const bool inside =
                    row >= 0 && row < g.resized.height && column >= 0 && column < g.resized.width;
                const int level = inside ? bilinear(image, g.resized, row, column, from) : n.pad_value;
                const auto value = static_cast<float>((level - n.mean[channel]) * n.scale[channel]);
                wrong += levels[at] != level || values[at] != value ? 1 : 0;
            }
        }
    }
    CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("letterbox equals the naive arithmetic on random geometries") {
    const SimdLevel simd = subcase_per_level();
    Random random(1);
    Letterbox letterbox({}, simd);  // one object for all: stale rows or plans of an earlier image would show
    for (int i = 0; i < 120; ++i) {
        const int limit = i < 40 ? 9 : 160;
        const int height = random.integer(1, limit);
        const int width = random.integer(1, limit);
        LetterboxOptions options;
        options.size = {32 * random.integer(1, 4), 32 * random.integer(1, 4)};
        options.mode = static_cast<LetterboxMode>(random.integer(0, 2));
        options.scale_up = random.integer(0, 1) == 1;
        const Image image =
            random_image(random, height, width, random.integer(0, 5), random.integer(0, 1) == 1);
        CAPTURE(height);
        CAPTURE(width);
        check_against_naive(letterbox, image.view, letterbox_geometry({height, width}, options));
    }
}

TEST_CASE("letterbox equals the naive arithmetic at exact ratios") {
    const SimdLevel simd = subcase_per_level();
    Random random(2);
    Letterbox letterbox({}, simd);
    LetterboxOptions options;
    options.size = {64, 96};
    for (const SizeHW source :
         {SizeHW{64, 96}, {128, 192}, {192, 288}, {256, 384}, {32, 48}, {128, 96}, {64, 1}}) {
        CAPTURE(source.height);
        CAPTURE(source.width);
        const Image image = random_image(random, source.height, source.width);
        for (const LetterboxMode mode :
             {LetterboxMode::rect, LetterboxMode::square, LetterboxMode::stretch}) {
            options.mode = mode;
            check_against_naive(letterbox, image.view, letterbox_geometry(source, options));
        }
    }
}

TEST_CASE("a negative scale turns level 0 into -0 with every instruction set") {
    const SimdLevel simd = subcase_per_level();
    Normalization normalization;
    normalization.scale.fill(-0.3);
    Letterbox letterbox(normalization, simd);
    const std::vector<std::uint8_t> black(3 * 32 * 32);
    LetterboxOptions options;
    options.size = {32, 32};
    const ImageView image = {black.data(), 32, 32, 96, ChannelOrder::bgr};
    int positive = 0;
    for (const float value : run<float>(letterbox, image, letterbox_geometry({32, 32}, options))) {
        positive += std::signbit(value) ? 0 : 1;
    }
    CHECK(positive == 0);
}

TEST_CASE("letterbox obeys mean, scale, padding value and both channel orders") {
    const SimdLevel simd = subcase_per_level();
    Random random(3);
    Normalization normalization;
    normalization.mean = {123.675, 116.28, 103.53};
    normalization.scale = {0.017125, -0.017507, 0.017429};
    normalization.pad_value = 7;
    LetterboxOptions options;
    options.size = {96, 96};
    Image image = random_image(random, 37, 91);
    for (const ChannelOrder tensor : {ChannelOrder::bgr, ChannelOrder::rgb}) {
        for (const ChannelOrder pixels : {ChannelOrder::bgr, ChannelOrder::rgb}) {
            normalization.channels = tensor;
            image.view.order = pixels;
            Letterbox letterbox(normalization, simd);
            check_against_naive(letterbox, image.view, letterbox_geometry({37, 91}, options));
        }
    }
}

TEST_CASE("an image of the tensor's size is copied") {
    Random random(4);
    const Image image = random_image(random, 32, 64);
    LetterboxOptions options;
    options.size = {32, 64};
    Normalization normalization;
    normalization.channels = ChannelOrder::bgr;
    Letterbox letterbox(normalization);
    const auto out = run<std::uint8_t>(letterbox, image.view, letterbox_geometry({32, 64}, options));
    for (std::size_t i = 0; i < 32 * 64; ++i) {
        REQUIRE(out[i] == image.bytes[3 * i]);
        REQUIRE(out[2 * 32 * 64 + i] == image.bytes[3 * i + 2]);
    }
}

TEST_CASE("letterbox refuses a geometry that is not for this image") {
    Random random(5);
    const Image image = random_image(random, 10, 20);
    LetterboxOptions options;
    options.size = {32, 32};
    Letterbox letterbox;
    std::vector<float> out(3 * 32 * 32);
    CHECK_THROWS_WITH_AS(letterbox.run(image.view, letterbox_geometry({20, 10}, options), out.data()),
                         "the image is 10x20 (height x width) but the geometry is for 20x10",
                         std::invalid_argument);
    LetterboxGeometry torn = letterbox_geometry({10, 20}, options);
    torn.top += 1;
    CHECK_THROWS_AS(letterbox.run(image.view, torn, out.data()), std::invalid_argument);
    ImageView empty = image.view;
    empty.data = nullptr;
    CHECK_THROWS_WITH_AS(letterbox.run(empty, letterbox_geometry({10, 20}, options), out.data()),
                         "the image has no data", std::invalid_argument);
}
