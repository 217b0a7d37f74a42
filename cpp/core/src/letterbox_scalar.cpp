#include "letterbox_kernels.h"

namespace yolo_edge {
namespace {

void horizontal(const std::uint8_t* row, const ColumnPlan& columns, int x, std::int16_t* planes,
                std::ptrdiff_t plane_stride) {
    std::int16_t* plane0 = planes;
    std::int16_t* plane1 = planes + plane_stride;
    std::int16_t* plane2 = planes + 2 * plane_stride;
    for (; x < columns.paired; ++x) {
        const std::uint8_t* pixels = row + columns.first_byte[x];
        const int weight0 = columns.weights[2 * x];
        const int weight1 = columns.weights[2 * x + 1];
        plane0[x] = static_cast<std::int16_t>((pixels[0] * weight0 + pixels[3] * weight1) >> 4);
        plane1[x] = static_cast<std::int16_t>((pixels[1] * weight0 + pixels[4] * weight1) >> 4);
        plane2[x] = static_cast<std::int16_t>((pixels[2] * weight0 + pixels[5] * weight1) >> 4);
    }
    for (; x < columns.width; ++x) {
        const std::uint8_t* pixel = row + columns.first_byte[x];
        plane0[x] = static_cast<std::int16_t>(pixel[0] << 7);
        plane1[x] = static_cast<std::int16_t>(pixel[1] << 7);
        plane2[x] = static_cast<std::int16_t>(pixel[2] << 7);
    }
}

void vertical(const std::int16_t* row0, const std::int16_t* row1, int weight0, int weight1, int width,
              std::uint8_t* out) {
    for (int x = 0; x < width; ++x) {
        const int sum = ((weight0 * row0[x]) >> 16) + ((weight1 * row1[x]) >> 16);
        out[x] = static_cast<std::uint8_t>((sum + 2) >> 2);
    }
}

void halve(const std::uint8_t* row0, const std::uint8_t* row1, int x, int width, std::uint8_t* planes,
           std::ptrdiff_t plane_stride) {
    for (; x < width; ++x) {
        for (int c = 0; c < 3; ++c) {
            const int at = 6 * x + c;
            const int sum = row0[at] + row0[at + 3] + row1[at] + row1[at + 3];
            planes[c * plane_stride + x] = static_cast<std::uint8_t>((sum + 2) >> 2);
        }
    }
}

void normalize(const std::uint8_t* row, int width, const GreyLevels& levels, float* out) {
    for (int x = 0; x < width; ++x) out[x] = levels.table[row[x]];
}

}  // namespace

const LetterboxKernels letterbox_kernels_scalar = {horizontal, vertical, halve, normalize};

}  // namespace yolo_edge
