#include "yolo_edge/letterbox.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "argument_error.h"
#include "kernels.h"
#include "resize_plan.h"

namespace yolo_edge {

struct Letterbox::State {
    const LetterboxKernels& kernels;
    std::array<NormalizationTable, 3> tables;  ///< In the order of the tensor's channels.
    std::array<GreyLevels, 3> levels;          ///< The same for the kernels.
    ResizePlan plan;
    std::array<std::vector<std::int16_t>, 2>
        resized_rows;                     ///< Horizontally resized, three planes; see resized_row.
    std::array<int, 2> held_rows;         ///< Source row that each of them holds, or -1.
    std::vector<std::uint8_t> grey_rows;  ///< One row of the result, three planes.

    State(const Normalization& normalization, SimdLevel simd) : kernels(*kernels_for(simd).letterbox) {
        for (std::size_t channel = 0; channel < 3; ++channel) {
            const double scale = normalization.scale[channel];
            tables[channel] = normalization_table(normalization.mean[channel], scale);
            levels[channel] = grey_levels(tables[channel], scale);
        }
    }

    /// Whether the arithmetic will do is not derived but tried: 256 values are all there are.
    static GreyLevels grey_levels(const NormalizationTable& table, double scale) {
        const auto high = static_cast<float>(scale);
        GreyLevels result = {table.data(), high, static_cast<float>(scale - high), true};
        for (int x = 0; x < 256; ++x) {
            const auto value = static_cast<float>(x);
            const float computed = std::fma(value, high, value * result.low);
            const float wanted = table[static_cast<std::size_t>(x)];
            // A negative scale makes -0 of level 0, which is equal to 0 but other bits.
            if (computed != wanted || std::signbit(computed) != std::signbit(wanted)) result.exact = false;
        }
        return result;
    }

    void prepare(const LetterboxGeometry& geometry) {
        plan.prepare(geometry.source, geometry.resized);
        const auto width = static_cast<std::size_t>(geometry.resized.width);
        for (auto& row : resized_rows) row.resize(3 * width);
        grey_rows.resize(3 * width);
        held_rows = {-1, -1};
    }

    /// The horizontally resized source row. Even and odd rows have a place each, so two neighbours stay
    /// valid.
    const std::int16_t* resized_row(const ImageView& image, int row) {
        const std::size_t place = static_cast<std::size_t>(row) % 2;
        std::int16_t* planes = resized_rows[place].data();
        if (held_rows[place] != row) {
            const ColumnPlan columns = {plan.columns.first.data(), plan.columns.weights.data(),
                                        plan.resized.width, plan.paired_columns, plan.wide_columns};
            kernels.horizontal(image.data + row * image.row_stride, columns, 0, planes, plan.resized.width);
            held_rows[place] = row;
        }
        return planes;
    }

    /// Fills grey_rows with row y of the resized image, planes in the image's order.
    void resize_row(const ImageView& image, int y) {
        const int width = plan.resized.width;
        if (plan.halves()) {
            const std::uint8_t* row0 = image.data + 2 * y * image.row_stride;
            kernels.halve(row0, row0 + image.row_stride, 0, width, grey_rows.data(), width);
            return;
        }
        const std::int16_t* weights = &plan.rows.weights[2 * static_cast<std::size_t>(y)];
        const int first = plan.rows.first[static_cast<std::size_t>(y)];
        const std::int16_t* row0 = resized_row(image, std::clamp(first, 0, image.height - 1));
        // A second row without weight need not be made: its term is 0 for any content.
        const std::int16_t* row1 =
            weights[1] == 0 ? row0 : resized_row(image, std::clamp(first + 1, 0, image.height - 1));
        kernels.vertical(row0, row1, weights[0], weights[1], 3 * width, grey_rows.data());
    }

    // One row of one channel into the tensor; one overload per number type.
    void write_row(const std::uint8_t* row, std::size_t, std::uint8_t* out) const {
        std::copy_n(row, plan.resized.width, out);
    }
    void write_row(const std::uint8_t* row, std::size_t channel, float* out) const {
        kernels.normalize(row, plan.resized.width, levels[channel], out);
    }
};

namespace {

/// Wide enough for any three numbers.
std::int64_t sum(std::int64_t before, std::int64_t resized, std::int64_t after) {
    return before + resized + after;
}

void check(const ImageView& image, const LetterboxGeometry& geometry) {
    if (image.data == nullptr) throw argument_error("the image has no data");
    if (geometry.source != SizeHW{image.height, image.width}) {
        throw argument_error("the image is ", image.height, "x", image.width,
                             " (height x width) but the geometry is for ", geometry.source.height, "x",
                             geometry.source.width);
    }
    const LetterboxGeometry& g = geometry;
    const bool whole = g.source.height >= 1 && g.source.width >= 1 && g.resized.height >= 1 &&
                       g.resized.width >= 1 && g.top >= 0 && g.left >= 0 && g.bottom >= 0 && g.right >= 0 &&
                       sum(g.top, g.resized.height, g.bottom) == g.tensor.height &&
                       sum(g.left, g.resized.width, g.right) == g.tensor.width;
    if (!whole) {
        throw argument_error("the geometry does not add up: resized ", g.resized.height, "x", g.resized.width,
                             ", padding (", g.top, ", ", g.left, ", ", g.bottom, ", ", g.right, "), tensor ",
                             g.tensor.height, "x", g.tensor.width, "; take it from letterbox_geometry");
    }
}

}  // namespace

Letterbox::Letterbox(const Normalization& normalization, SimdLevel simd)
    : normalization_(normalization), state_(std::make_unique<State>(normalization, simd)) {}

Letterbox::~Letterbox() = default;
Letterbox::Letterbox(Letterbox&&) noexcept = default;
Letterbox& Letterbox::operator=(Letterbox&&) noexcept = default;

template <typename T>
void Letterbox::run_any(const ImageView& image, const LetterboxGeometry& geometry, T* out) {
    check(image, geometry);
    State& state = *state_;
    state.prepare(geometry);

    const std::ptrdiff_t width = geometry.tensor.width;
    const std::ptrdiff_t plane = width * geometry.tensor.height;
    std::array<T, 3> pad;
    for (std::size_t channel = 0; channel < 3; ++channel) {
        const std::uint8_t level = normalization_.pad_value;
        if constexpr (std::is_same_v<T, float>) {
            pad[channel] = state.tables[channel][level];
        } else {
            pad[channel] = level;
        }
        T* top = out + static_cast<std::ptrdiff_t>(channel) * plane;
        std::fill_n(top, geometry.top * width, pad[channel]);
        std::fill_n(top + plane - geometry.bottom * width, geometry.bottom * width, pad[channel]);
    }

    const bool reversed = image.order != normalization_.channels;
    for (int y = 0; y < geometry.resized.height; ++y) {
        state.resize_row(image, y);
        for (std::size_t channel = 0; channel < 3; ++channel) {
            const std::size_t from = reversed ? 2 - channel : channel;
            const std::uint8_t* row =
                &state.grey_rows[from * static_cast<std::size_t>(geometry.resized.width)];
            T* to = out + static_cast<std::ptrdiff_t>(channel) * plane + (geometry.top + y) * width;
            std::fill_n(to, geometry.left, pad[channel]);
            state.write_row(row, channel, to + geometry.left);
            std::fill_n(to + geometry.left + geometry.resized.width, geometry.right, pad[channel]);
        }
    }
}

void Letterbox::run(const ImageView& image, const LetterboxGeometry& geometry, float* out) {
    run_any(image, geometry, out);
}

void Letterbox::run(const ImageView& image, const LetterboxGeometry& geometry, std::uint8_t* out) {
    run_any(image, geometry, out);
}

}  // namespace yolo_edge
