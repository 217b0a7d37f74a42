// decode_image without OpenCV.

#define STBI_NO_STDIO
#include <stb_image.h>

#include <cstddef>

#include "decoded_image.h"
#include "exif_orientation.h"

namespace yolo_edge::native {
namespace {

/// stb_image reads zeros beyond the end of these uncompressed files.
bool is_cut_off(const std::vector<std::uint8_t>& data, std::int64_t pixels, int channels) {
    const auto size = static_cast<std::int64_t>(data.size());
    if (data[0] == 'B' && data[1] == 'M') {
        return size < (data[2] | data[3] << 8 | data[4] << 16 | static_cast<std::int64_t>(data[5]) << 24);
    }
    return data[0] == 'P' && size < pixels * channels;
}

}  // namespace

DecodedImage decode_image(const std::vector<std::uint8_t>& data) {
    const int size = static_cast<int>(data.size());
    int width = 0;
    int height = 0;
    int channels = 0;
    if (size < 8 || stbi_info_from_memory(data.data(), size, &width, &height, &channels) == 0) return {};
    const std::int64_t pixels = static_cast<std::int64_t>(width) * height;
    if (width < 1 || height < 1 || width > largest_side || height > largest_side || pixels > most_pixels ||
        is_cut_off(data, pixels, channels)) {
        return {};
    }
    const std::shared_ptr<stbi_uc> decoded(
        stbi_load_from_memory(data.data(), size, &width, &height, &channels, 3), stbi_image_free);
    if (!decoded) return {};
    DecodedImage image;
    if (const int orientation = exif_orientation(data); orientation != 1) {
        const auto turned =
            std::make_shared<std::vector<std::uint8_t>>(upright(decoded.get(), width, height, orientation));
        image.view.data = turned->data();
        image.memory = turned;
    } else {
        image.view.data = decoded.get();
        image.memory = decoded;
    }
    image.view.height = height;
    image.view.width = width;
    image.view.row_stride = 3 * static_cast<std::ptrdiff_t>(width);
    image.view.order = ChannelOrder::rgb;
    return image;
}

std::string decoder_name() {
    return "stb_image";
}

}  // namespace yolo_edge::native
