#pragma once

#include <cstdint>
#include <vector>

namespace yolo_edge::native {

/// The orientation, 1..8, that the EXIF data of a JPEG or PNG file asks for; 1, upright, where there is none
/// (CIPA DC-008, tag 0x0112).
int exif_orientation(const std::vector<std::uint8_t>& data);

/// Turns an image of three bytes a pixel upright; width and height change places for 5..8.
std::vector<std::uint8_t> upright(const std::uint8_t* pixels, int& width, int& height, int orientation);

}  // namespace yolo_edge::native
