#include "output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "errors.h"
#include "interrupt.h"

namespace yolo_edge::native {

Output::Output(const std::string& target) : name_(target) {
    if (target == "-") {
        name_ = "standard output";
        file_ = STDOUT_FILENO;
        return;
    }
    do {
        file_ = ::open(target.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
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
        const ssize_t written = ::write(file_, text.data(), text.size());
        if (written >= 0) {
            text.remove_prefix(static_cast<std::size_t>(written));
        } else if (errno == EPIPE) {
            throw BrokenPipe{};
        } else if (errno != EINTR) {
            fail(errno);
        } else if (interrupted()) {
            throw Interrupted{};
        }
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
