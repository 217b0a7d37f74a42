#pragma once

#include <stdexcept>

namespace yolo_edge::native {

/// A source of images that cannot be opened or read.
class SourceError : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// An output that cannot be written.
class SinkError : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Whoever read our output has enough, as in `... --jsonl - | head`; no failure.
struct BrokenPipe {};

/// The user pressed Ctrl-C, or sent SIGTERM, while something waited.
struct Interrupted {};

}  // namespace yolo_edge::native
