#include "exif_orientation.h"

#include <cstddef>
#include <cstring>
#include <string_view>
#include <utility>

namespace yolo_edge::native {
namespace {

/// Bytes of a file; whatever lies outside of them reads as 0.
class Bytes {
  public:
    Bytes(const std::uint8_t* data, std::size_t size, bool little_endian = false)
        : data_(data), size_(size), little_endian_(little_endian) {}

    std::size_t size() const { return size_; }

    std::uint32_t number(std::size_t at, std::size_t width) const {
        std::uint32_t value = 0;
        for (std::size_t i = 0; i < width; ++i) {
            const std::size_t place = at + (little_endian_ ? width - 1 - i : i);
            value = value << 8 | (place < size_ ? data_[place] : 0U);
        }
        return value;
    }

    bool holds(std::size_t at, std::string_view text) const {
        return at < size_ && size_ - at >= text.size() &&
               std::memcmp(data_ + at, text.data(), text.size()) == 0;
    }

    Bytes part(std::size_t from, std::size_t length) const {
        from = from < size_ ? from : size_;
        return {data_ + from, length < size_ - from ? length : size_ - from, little_endian_};
    }

    Bytes as_little_endian() const { return {data_, size_, true}; }

  private:
    const std::uint8_t* data_;
    std::size_t size_;
    bool little_endian_;
};

/// The tag in the first directory of a TIFF structure (TIFF 6.0, section 2).
int orientation_in_tiff(Bytes tiff) {
    if (tiff.holds(0, "II")) {
        tiff = tiff.as_little_endian();
    } else if (!tiff.holds(0, "MM")) {
        return 1;
    }
    const std::size_t directory = tiff.number(4, 4);
    const std::uint32_t entries = tiff.number(directory, 2);
    for (std::size_t i = 0; i < entries; ++i) {
        const std::size_t entry = directory + 2 + 12 * i;
        if (entry >= tiff.size()) break;
        if (tiff.number(entry, 2) != 0x0112) continue;
        const std::uint32_t value = tiff.number(entry + 8, 2);
        return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
    }
    return 1;
}

int orientation_in_jpeg(const Bytes& file) {
    using namespace std::literals;
    std::size_t at = 2;
    while (file.number(at, 1) == 0xFF) {
        const std::uint32_t marker = file.number(at + 1, 1);
        const std::size_t length = file.number(at + 2, 2);
        if (marker == 0xDA || length < 2) break;
        if (marker == 0xE1 && file.holds(at + 4, "Exif\0\0"sv)) {
            return orientation_in_tiff(file.part(at + 10, length - 8 < length ? length - 8 : 0));
        }
        at += 2 + length;
    }
    return 1;
}

int orientation_in_png(const Bytes& file) {
    std::size_t at = 8;
    while (at + 12 <= file.size()) {
        const std::size_t length = file.number(at, 4);
        if (file.holds(at + 4, "eXIf")) return orientation_in_tiff(file.part(at + 8, length));
        if (length > file.size()) break;
        at += 12 + length;
    }
    return 1;
}

}  // namespace

int exif_orientation(const std::vector<std::uint8_t>& data) {
    const Bytes file(data.data(), data.size());
    if (file.holds(0, "\xFF\xD8")) return orientation_in_jpeg(file);
    if (file.holds(0, "\x89PNG\r\n\x1A\n")) return orientation_in_png(file);
    return 1;
}

std::vector<std::uint8_t> upright(const std::uint8_t* pixels, int& width, int& height, int orientation) {
    // Where the upright image's first pixel lies in the stored one, and how far the next is along each axis.
    const bool transposed = orientation >= 5;
    const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    const bool from_below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    std::ptrdiff_t step_x = from_right ? -3 : 3;
    std::ptrdiff_t step_y = (from_below ? -3 : 3) * static_cast<std::ptrdiff_t>(width);
    const std::uint8_t* first = pixels;
    if (from_right) first += 3 * static_cast<std::ptrdiff_t>(width - 1);
    if (from_below) first += 3 * static_cast<std::ptrdiff_t>(width) * (height - 1);
    if (transposed) {
        std::swap(step_x, step_y);
        std::swap(width, height);
    }
    std::vector<std::uint8_t> turned(3 * static_cast<std::size_t>(width) * static_cast<std::size_t>(height));
    std::uint8_t* out = turned.data();
    for (int y = 0; y < height; ++y) {
        const std::uint8_t* in = first + y * step_y;
        for (int x = 0; x < width; ++x, in += step_x, out += 3) std::memcpy(out, in, 3);
    }
    return turned;
}

}  // namespace yolo_edge::native
