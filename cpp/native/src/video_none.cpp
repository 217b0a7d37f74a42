// open_video without OpenCV.

#include "errors.h"
#include "source.h"

namespace yolo_edge::native {

std::unique_ptr<Source> open_video(const std::string& path, int) {
    throw SourceError(path +
                      ": no image by its name, and this program was built without OpenCV, which reads "
                      "video; build it with OpenCV (Debian package libopencv-dev) or use `yolo-edge run`");
}

}  // namespace yolo_edge::native
