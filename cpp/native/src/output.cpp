#include "output.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "errors.h"
#include "interrupt.h"

namespace yolo_edge::native {

Output::Output(const std::string& target) : name_(target) {
    if (target == "-") {
        name_ = "standard output";
        file_ = STDOUT_FILENO;
    } else {
        open(target);
    }
    struct stat status{};
    is_regular_ = fstat(file_, &status) == 0 && S_ISREG(status.st_mode);
}

void Output::open(const std::string& path) {
    do {
        file_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (file_ < 0 && errno == EINTR && interrupted()) throw Interrupted{};
    } while (file_ < 0 && errno == EINTR);
    if (file_ < 0) fail(errno);
    owned_ = true;
}

Output::~Output() {
    if (owned_) ::close(file_);  // on the way out of an error, which is what the user gets to read
}

void Output::write(std::string_view text) {
    while (!text.empty()) {
        // A pipe with room takes so many bytes without waiting; only wait_for_room() may wait.
        std::size_t most = text.size();
        if (!is_regular_) {
            wait_for_room();
            most = std::min<std::size_t>(most, PIPE_BUF);
        }
        const ssize_t written = ::write(file_, text.data(), most);
        if (written >= 0) {
            text.remove_prefix(static_cast<std::size_t>(written));
        } else if (errno == EPIPE) {
            throw BrokenPipe{};
        } else if (errno != EINTR && errno != EAGAIN) {
            fail(errno);
        }
    }
}

/// Looks up now and then: a signal may have come just before poll() began to wait.
void Output::wait_for_room() const {
    constexpr int interval_ms = 200;
    pollfd place{file_, POLLOUT, 0};
    int ready = 0;
    while ((ready = poll(&place, 1, interval_ms)) <= 0) {
        if (ready < 0 && errno != EINTR) fail(errno);
        if (interrupted()) throw Interrupted{};
    }
}

void Output::close() {
    if (!owned_) return;
    owned_ = false;
    if (::close(file_) != 0 && errno != EINTR) fail(errno);
}

void Output::fail(int error) const {
    throw SinkError(name_ + ": cannot be written: " + std::strerror(error));
}

void print(std::string_view text) {
    Output("-").write(text);
}

}  // namespace yolo_edge::native
