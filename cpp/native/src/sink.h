#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "source.h"
#include "yolo_edge/proposals.h"

namespace yolo_edge::native {

/// Takes one result after the other. What was written stays whole if the power fails at the next one.
/// Any method throws SinkError when the output cannot be written.
class Sink {
  public:
    Sink() = default;
    virtual ~Sink() = default;
    Sink(const Sink&) = delete;
    Sink& operator=(const Sink&) = delete;

    virtual void write(const Frame& frame, const std::vector<Proposal>& boxes) = 0;
    virtual void fail(const FailedFrame&) {}  ///< A frame or a rest of a source that could not be read.
    virtual void close() {}

    /// What was written and where, for the closing message.
    virtual std::optional<std::string> summary() const { return std::nullopt; }
};

/// docs/jsonl.md into a file, which is replaced, or standard output for "-".
std::unique_ptr<Sink> json_lines(const std::string& target, const std::vector<std::string>& class_names);

/// `SOURCE frame N: 2 person, 1 car` on standard output, for each frame with detections and for each image.
std::unique_ptr<Sink> text_lines(const std::vector<std::string>& class_names);

}  // namespace yolo_edge::native
