#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "decoded_image.h"
#include "errors.h"

namespace yolo_edge::native {
namespace {

constexpr std::int64_t largest_file = 1LL << 30;  // bytes; decoders count in int

/// Closes a file when it goes out of scope.
struct OpenFile {
    int number;
    ~OpenFile() {
        if (number >= 0) ::close(number);
    }
};

[[noreturn]] void fail(const std::string& path, const std::string& reason) {
    throw SourceError(path + ": " + reason);
}

std::vector<std::uint8_t> read_file(const std::string& path) {
    // Opening a pipe would wait for a writer.
    const OpenFile file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    struct stat status{};
    if (file.number < 0 || fstat(file.number, &status) != 0) {
        fail(path, std::string("cannot be read: ") + std::strerror(errno));
    }
    if (!S_ISREG(status.st_mode)) fail(path, "cannot be read: not a file");
    if (status.st_size > largest_file) fail(path, "cannot be read: larger than 1 GiB");
    std::vector<std::uint8_t> data(static_cast<std::size_t>(status.st_size));
    std::size_t have = 0;
    while (have < data.size()) {
        const ssize_t got = ::read(file.number, data.data() + have, data.size() - have);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) fail(path, std::string("cannot be read: ") + std::strerror(errno));
        if (got == 0) break;
        have += static_cast<std::size_t>(got);
    }
    data.resize(have);
    return data;
}

/// Whether a JPEG's image data lacks the end marker (ITU-T T.81, B.1.1.3 and B.2).
bool is_cut_jpeg(const std::vector<std::uint8_t>& data) {
    const std::size_t size = data.size();
    if (size < 2 || data[0] != 0xFF || data[1] != 0xD8) return false;
    std::size_t position = 2;
    // Walk the segments before the first scan: a thumbnail inside them has an end marker of its own.
    while (position < size && data[position] == 0xFF) {
        if (position + 1 < size && data[position + 1] == 0xDA) {
            constexpr std::uint8_t end_marker[] = {0xFF, 0xD9};
            const auto from = data.begin() + static_cast<std::ptrdiff_t>(position);
            return std::search(from, data.end(), std::begin(end_marker), std::end(end_marker)) == data.end();
        }
        if (position + 3 >= size) return true;
        position += 2 + static_cast<std::size_t>(data[position + 2] << 8 | data[position + 3]);
    }
    return position >= size;
}

}  // namespace

DecodedImage read_image(const std::string& path) {
    const std::vector<std::uint8_t> data = read_file(path);
    if (data.empty()) fail(path, "the file is empty");
    const std::string bytes = std::to_string(data.size()) + " bytes";
    if (is_cut_jpeg(data)) fail(path, "the JPEG file is cut off (" + bytes + ", no end marker)");
    DecodedImage image = decode_image(data);
    if (!image.memory) {
        fail(path, "does not decode as an image (" + bytes + "; damaged or of another kind)");
    }
    return image;
}

}  // namespace yolo_edge::native
