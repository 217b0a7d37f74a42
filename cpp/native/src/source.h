#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "decoded_image.h"

namespace yolo_edge::native {

/// One image and where it came from.
struct Frame {
    DecodedImage image;
    std::string source;      ///< The source's name; for images the path.
    std::int64_t index = 0;  ///< Number of the frame in its source, from 0.
    double time_s = 0;       ///< Time since the start of the source; 0 for images.
    std::chrono::system_clock::time_point captured_at;
    std::chrono::steady_clock::time_point captured_clock;  ///< The same instant, for measuring the age.
    bool is_still = false;                                 ///< An image, not a frame of a video.
};

/// A frame, or the rest of a source, that could not be read.
struct FailedFrame {
    std::string source;
    std::int64_t index = 0;
    std::chrono::system_clock::time_point captured_at;
    std::string error;
};

using FrameOrFailure = std::variant<Frame, FailedFrame>;

/// Gives frames in order, each once.
class Source {
  public:
    Source() = default;
    virtual ~Source() = default;
    Source(const Source&) = delete;
    Source& operator=(const Source&) = delete;

    /// The next frame, or what could not be read; nothing at the end.
    virtual std::optional<FrameOrFailure> next() = 0;

    virtual std::string name() const = 0;
    virtual std::optional<std::int64_t> frame_count() const = 0;  ///< Nothing when unknown.
};

/// Opens what the user named: paths of images, folders and videos, and glob patterns; images that follow each
/// other form one source. `every`: only each N-th frame of a source, the first included.
///
/// Throws std::invalid_argument for `every` below 1, SourceError for a name that stands for nothing readable.
std::vector<std::unique_ptr<Source>> open_sources(const std::vector<std::string>& names, int every);

/// A video file. One of video_*.cpp, whichever CMake chose; throws SourceError.
std::unique_ptr<Source> open_video(const std::string& path, int every);

}  // namespace yolo_edge::native
