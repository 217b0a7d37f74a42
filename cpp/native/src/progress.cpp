#include "progress.h"

#include <unistd.h>

#include <cmath>
#include <cstdio>

#include "rounded.h"

namespace yolo_edge::native {
namespace {

using std::chrono::steady_clock;

constexpr auto terminal_interval = std::chrono::milliseconds(100);
constexpr auto log_interval = std::chrono::seconds(30);

std::string two_digits(std::int64_t number) {
    return (number < 10 ? "0" : "") + std::to_string(number);
}

std::string duration(double seconds) {
    const std::int64_t whole = std::llround(seconds);
    if (whole < 60) return std::to_string(whole) + " s";
    if (whole < 3600) return std::to_string(whole / 60) + ":" + two_digits(whole % 60) + " min";
    return std::to_string(whole / 3600) + ":" + two_digits(whole / 60 % 60) + " h";
}

/// Nobody can be told that standard error does not work.
void put(const std::string& text) {
    std::fputs(text.c_str(), stderr);
    std::fflush(stderr);
}

}  // namespace

Progress::Progress(bool quiet)
    : quiet_(quiet),
      terminal_(isatty(STDERR_FILENO) == 1),
      interval_(terminal_ ? steady_clock::duration(terminal_interval) : steady_clock::duration(log_interval)),
      next_(steady_clock::now() + (terminal_ ? steady_clock::duration::zero() : interval_)) {}

void Progress::frame(const Source& source, std::int64_t done, double fps, std::size_t found) {
    const steady_clock::time_point now = steady_clock::now();
    if (quiet_ || now < next_) return;
    next_ = now + interval_;
    const std::int64_t total = source.frame_count().value_or(0);
    std::string text = source.name() + ": frame " + std::to_string(done);
    if (total > 0) text += " of " + std::to_string(total);
    text += ", " + rounded(fps, 1) + " per second";
    if (total > done && fps > 0) text += ", " + duration(static_cast<double>(total - done) / fps) + " left";
    text += ", " + std::to_string(found) + " found";
    put(terminal_ ? "\r\x1b[K" + text : text + "\n");
    line_open_ = terminal_;
}

void Progress::message(const std::string& text) {
    clear();
    put(text + "\n");
}

void Progress::clear() {
    if (line_open_) put("\r\x1b[K");
    line_open_ = false;
}

}  // namespace yolo_edge::native
