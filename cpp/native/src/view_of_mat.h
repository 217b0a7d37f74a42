#pragma once

#include <opencv2/core.hpp>

#include "decoded_image.h"

namespace yolo_edge::native {

/// Shares the memory of an image of three bytes a pixel; nothing for an empty one.
inline DecodedImage view_of(const cv::Mat& mat) {
    if (mat.empty() || mat.type() != CV_8UC3) return {};
    auto memory = std::make_shared<cv::Mat>(mat);
    DecodedImage image;
    image.view.data = memory->data;
    image.view.height = memory->rows;
    image.view.width = memory->cols;
    image.view.row_stride = static_cast<std::ptrdiff_t>(memory->step[0]);
    image.view.order = ChannelOrder::bgr;
    image.memory = std::move(memory);
    return image;
}

}  // namespace yolo_edge::native
