#include "source.h"

#include <cctype>
#include <filesystem>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "errors.h"
#include "file_names.h"

namespace yolo_edge::native {
namespace {

class ImagesSource : public Source {
  public:
    ImagesSource(std::vector<std::string> paths, int every) : paths_(std::move(paths)), every_(every) {}

    std::optional<FrameOrFailure> next() override {
        if (index_ >= paths_.size()) return std::nullopt;
        const std::string& path = paths_[index_];
        const auto index = static_cast<std::int64_t>(index_);
        index_ += static_cast<std::size_t>(every_);
        const auto wall = std::chrono::system_clock::now();
        const auto clock = std::chrono::steady_clock::now();
        try {
            return Frame{read_image(path), path, index, 0.0, wall, clock, true};
        } catch (const SourceError& error) {
            return FailedFrame{path, index, wall, error.what()};
        }
    }

    std::string name() const override {
        return paths_.size() == 1 ? paths_[0] : std::to_string(paths_.size()) + " images";
    }

    std::optional<std::int64_t> frame_count() const override {
        const auto count = static_cast<std::int64_t>(paths_.size());
        return (count + every_ - 1) / every_;
    }

  private:
    std::vector<std::string> paths_;
    int every_;
    std::size_t index_ = 0;
};

bool is_url(std::string_view name) {
    const std::size_t mark = name.find("://");
    if (mark == std::string_view::npos || mark == 0) return false;
    for (const char c : name.substr(0, mark)) {
        if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_') return false;
    }
    return true;
}

bool is_camera(std::string_view name) {
    for (const std::string_view start : {"cam", "/dev/video"}) {
        if (name.substr(0, start.size()) == start && name.size() > start.size() &&
            name.find_first_not_of("0123456789", start.size()) == std::string_view::npos) {
            return true;
        }
    }
    return false;
}

std::vector<std::string> paths_of(const std::string& name) {
    constexpr std::string_view forms = "an image, a folder, a glob pattern or a video file";
    if (is_url(name)) {
        throw SourceError(redact(name) + ": network streams are not supported by this version; give " +
                          std::string(forms));
    }
    if (is_camera(name)) {
        throw SourceError(name + ": cameras are read by the Python command `yolo-edge run`; give " +
                          std::string(forms));
    }
    const std::string path = normal_path(name);
    std::error_code error;
    if (std::filesystem::is_directory(path, error)) {
        std::vector<std::string> found = media_in_folder(path);
        if (found.empty()) throw SourceError(name + ": the folder holds no images and no videos");
        return found;
    }
    if (std::filesystem::exists(path, error)) return {path};
    if (name.find_first_of("*?[") != std::string::npos) {
        std::vector<std::string> found = files_matching(name);
        if (found.empty()) throw SourceError(name + ": no file matches this pattern");
        return found;
    }
    throw SourceError(name + ": no such file or folder (a source is " + std::string(forms) + ")");
}

}  // namespace

std::vector<std::unique_ptr<Source>> open_sources(const std::vector<std::string>& names, int every) {
    if (every < 1) {
        throw std::invalid_argument("every is " + std::to_string(every) +
                                    "; it must be a whole number of at least 1");
    }
    std::vector<std::unique_ptr<Source>> sources;
    std::vector<std::string> images;
    const auto flush_images = [&] {
        if (!images.empty()) sources.push_back(std::make_unique<ImagesSource>(std::move(images), every));
        images.clear();
    };
    for (const std::string& name : names) {
        for (std::string& path : paths_of(name)) {
            if (is_image_name(path)) {
                images.push_back(std::move(path));
            } else {
                flush_images();
                sources.push_back(open_video(path, every));
            }
        }
    }
    flush_images();
    return sources;
}

}  // namespace yolo_edge::native
