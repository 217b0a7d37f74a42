// decode_image with OpenCV: the same pixels as the Python command's.

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "decoded_image.h"
#include "view_of_mat.h"

namespace yolo_edge::native {

DecodedImage decode_image(const std::vector<std::uint8_t>& data) {
    try {
        DecodedImage image = view_of(cv::imdecode(data, cv::IMREAD_COLOR));
        const std::int64_t pixels = static_cast<std::int64_t>(image.view.width) * image.view.height;
        const bool fits =
            image.view.width <= largest_side && image.view.height <= largest_side && pixels <= most_pixels;
        return fits ? image : DecodedImage{};
    } catch (const cv::Exception&) {
        return {};
    }
}

std::string decoder_name() {
    return std::string("OpenCV ") + CV_VERSION;
}

}  // namespace yolo_edge::native
