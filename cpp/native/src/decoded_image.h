#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "yolo_edge/image.h"

namespace yolo_edge::native {

/// An image and the memory it lies in; copies share it.
struct DecodedImage {
    ImageView view;
    std::shared_ptr<const void> memory;
};

/// What an encoded image may grow to: the letterbox goes no further on a side, and 100 million pixels are
/// 300 MB. A file of a few kilobytes can ask for a thousand times that.
constexpr int largest_side = 32768;
constexpr std::int64_t most_pixels = 100'000'000;

/// Decodes what is in memory, turned upright as its EXIF data says; three channels.
///
/// Returns nothing (no memory) for what is damaged, of another kind or larger than the limits. One of
/// image_decoder_*.cpp, whichever CMake chose.
DecodedImage decode_image(const std::vector<std::uint8_t>& data);

/// The library that decode_image uses, for people.
std::string decoder_name();

/// Reads and decodes a file. Throws SourceError: cannot be read, is no image, or is incomplete.
DecodedImage read_image(const std::string& path);

}  // namespace yolo_edge::native
