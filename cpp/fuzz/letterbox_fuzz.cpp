// Letterbox: hostile sizes, row strides, options, normalisations and geometries. Every instruction set must
// refuse the same and give the same bits, and none may touch a byte outside of the image and the tensor.

#include <stdexcept>
#include <vector>

#include "fuzz_input.h"
#include "yolo_edge/letterbox.h"

using namespace yolo_edge;
using yolo_edge::fuzz::FuzzInput;
using yolo_edge::fuzz::require;

namespace {

constexpr std::int64_t most_pixels = 1 << 18;

std::int64_t pixels(SizeHW size) {
    return static_cast<std::int64_t>(size.height) * size.width;
}

/// Changes one number of a sound geometry.
void spoil(LetterboxGeometry& geometry, FuzzInput& input) {
    int* const numbers[] = {&geometry.source.height, &geometry.source.width,   &geometry.tensor.height,
                            &geometry.tensor.width,  &geometry.resized.height, &geometry.resized.width,
                            &geometry.top,           &geometry.left,           &geometry.bottom,
                            &geometry.right};
    *numbers[input.between(0, 9)] = input.mostly_between(-5, 400);
}

/// What came out, or nothing when the arguments were refused.
template <typename T>
std::vector<T> tensor_of(Letterbox& letterbox, const ImageView& image, const LetterboxGeometry& geometry) {
    // An absurd tensor must be refused before anything is written.
    const bool sane =
        geometry.tensor.height > 0 && geometry.tensor.width > 0 && pixels(geometry.tensor) <= 8 * most_pixels;
    std::vector<T> tensor(sane ? static_cast<std::size_t>(3 * pixels(geometry.tensor)) : 1);
    try {
        letterbox.run(image, geometry, tensor.data());
    } catch (const std::invalid_argument&) {
        return {};
    }
    require(sane);
    return tensor;
}

template <typename T>
void compare_levels(const Normalization& normalization, const ImageView& image,
                    const LetterboxGeometry& geometry) {
    std::vector<T> expected;
    for (const SimdLevel level : simd_levels()) {
        Letterbox letterbox(normalization, level);
        const std::vector<T> tensor = tensor_of<T>(letterbox, image, geometry);
        if (level == SimdLevel::scalar) expected = tensor;
        require(tensor.size() == expected.size());
        require(tensor.empty() ||
                std::memcmp(tensor.data(), expected.data(), tensor.size() * sizeof(T)) == 0);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    FuzzInput input(data, size);
    const int longest = input.flag() ? 24 : 400;
    const SizeHW source = {input.mostly_between(1, longest), input.mostly_between(1, longest)};
    LetterboxOptions options;
    options.stride = input.mostly_between(1, 64);
    options.size = {input.mostly_between(1, 320), input.mostly_between(1, 320)};
    if (input.flag() && options.stride > 0 && options.stride <= 64) {  // rect mode wants multiples
        options.size = {options.stride * input.between(1, 8), options.stride * input.between(1, 8)};
    }
    options.mode = static_cast<LetterboxMode>(input.between(0, 2));
    options.scale_up = input.flag();

    Normalization normalization;
    normalization.channels = input.flag() ? ChannelOrder::rgb : ChannelOrder::bgr;
    normalization.pad_value = input.any<std::uint8_t>();
    if (input.flag()) {
        for (double& mean : normalization.mean) mean = input.mostly_between(0.0F, 255.0F);
        for (double& scale : normalization.scale) scale = input.mostly_between(0.0F, 1.0F);
    }

    LetterboxGeometry geometry;
    try {
        geometry = letterbox_geometry(source, options);
        Letterbox refuses(normalization);
    } catch (const std::invalid_argument&) {
        return 0;
    }
    if (pixels(source) > most_pixels || pixels(geometry.tensor) > 4 * most_pixels) return 0;
    const bool spoilt = input.between(0, 7) == 0;
    if (spoilt) spoil(geometry, input);

    // Not a byte more than the image has; rows may lie apart, one on another, or upside down.
    const std::ptrdiff_t row_bytes = 3 * static_cast<std::ptrdiff_t>(source.width);
    const std::ptrdiff_t row_stride =
        (input.flag() ? 1 : -1) * (input.flag() ? row_bytes : row_bytes + input.between(-int(row_bytes), 9));
    const std::ptrdiff_t reach = (source.height - 1) * row_stride;
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>((reach < 0 ? -reach : reach) + row_bytes));
    std::uint32_t noise = input.any<std::uint32_t>();
    for (std::uint8_t& byte : bytes) {
        noise = noise * 1664525U + 1013904223U;  // Numerical Recipes
        byte = static_cast<std::uint8_t>(noise >> 24);
    }
    const ImageView image = {bytes.data() + (reach < 0 ? -reach : 0), source.height, source.width, row_stride,
                             input.flag() ? ChannelOrder::bgr : ChannelOrder::rgb};

    compare_levels<float>(normalization, image, geometry);
    compare_levels<std::uint8_t>(normalization, image, geometry);
    return 0;
}
