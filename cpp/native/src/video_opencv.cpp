// open_video with OpenCV.

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/videoio.hpp>

#include "errors.h"
#include "source.h"
#include "view_of_mat.h"

namespace yolo_edge::native {
namespace {

void check_readable(const std::string& path) {
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    if (!file) throw SourceError(path + ": cannot be read: " + std::strerror(errno));
    if (file.peek() == std::ifstream::traits_type::eof()) throw SourceError(path + ": the file is empty");
}

class VideoSource : public Source {
  public:
    VideoSource(const std::string& path, int every) : path_(path), every_(every) {
        check_readable(path);
        // Each of its readers would tell why the file is none of its kind.
        cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
        if (!capture_.open(path)) {
            throw SourceError(path + ": does not open as a video (damaged, cut off, or of another kind)");
        }
        const double count = capture_.get(cv::CAP_PROP_FRAME_COUNT);
        if (count >= 1 && count < 1e15) container_count_ = static_cast<std::int64_t>(count);
        const double fps = capture_.get(cv::CAP_PROP_FPS);
        fps_ = fps > 0 && fps < 1000 ? fps : 0;
    }

    std::optional<FrameOrFailure> next() override {
        // A frame that is skipped is decoded, for the following ones build on it, but not converted to BGR.
        while (!ended_ && capture_.grab()) {
            const std::int64_t index = index_;
            if (index % every_ != 0) {
                ++index_;
                continue;
            }
            const auto wall = std::chrono::system_clock::now();
            const auto clock = std::chrono::steady_clock::now();
            cv::Mat mat;  // a new one each time: the previous frame may still be in use
            DecodedImage image;
            if (capture_.retrieve(mat)) image = view_of(mat);
            if (!image.memory) break;
            ++index_;
            return Frame{std::move(image), path_, index, time_s(index), wall, clock, false};
        }
        return std::exchange(ended_, true) ? std::nullopt : early_end();
    }

    std::string name() const override { return path_; }

    std::optional<std::int64_t> frame_count() const override {
        if (!container_count_) return std::nullopt;
        return (*container_count_ + every_ - 1) / every_;
    }

  private:
    double time_s(std::int64_t index) const {
        const double position_ms = capture_.get(cv::CAP_PROP_POS_MSEC);
        if (index > 0 && position_ms <= 0 && fps_ > 0) return static_cast<double>(index) / fps_;
        return position_ms / 1e3;
    }

    std::optional<FrameOrFailure> early_end() const {
        if (!container_count_) return std::nullopt;
        const std::int64_t expected = *container_count_;
        // Some containers only estimate the number of frames: a few frames short is not a damaged file.
        if (index_ >= expected - std::max<std::int64_t>(2, expected / 100)) return std::nullopt;
        return FailedFrame{path_, index_, std::chrono::system_clock::now(),
                           path_ + ": ended after " + std::to_string(index_) + " of " +
                               std::to_string(expected) + " frames; the file is cut off or damaged"};
    }

    std::string path_;
    int every_;
    cv::VideoCapture capture_;
    std::optional<std::int64_t> container_count_;
    double fps_ = 0;
    std::int64_t index_ = 0;
    bool ended_ = false;
};

}  // namespace

std::unique_ptr<Source> open_video(const std::string& path, int every) {
    return std::make_unique<VideoSource>(path, every);
}

}  // namespace yolo_edge::native
