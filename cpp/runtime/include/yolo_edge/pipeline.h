#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "yolo_edge/bundle.h"
#include "yolo_edge/detect_options.h"
#include "yolo_edge/detections.h"
#include "yolo_edge/engine.h"
#include "yolo_edge/image.h"
#include "yolo_edge/letterbox_geometry.h"

namespace yolo_edge {

/// From an image to its boxes over a loaded engine: letterbox, inference, proposals, NMS. May be used from
/// several threads; each call has one of the engine's slots to itself.
class Pipeline {
  public:
    /// `engine` runs `target` of `bundle` and must outlive this object. `size` and `mode` as in
    /// DetectorOptions; throws std::invalid_argument for a size that is no multiple of the stride or a mode
    /// other than rect and square.
    Pipeline(const Bundle& bundle, const Target& target, Engine& engine, std::optional<SizeHW> size,
             std::optional<LetterboxMode> mode);
    ~Pipeline();

    /// Where an image of this size lies in the tensor. For a target with fixed shapes it is the one of them
    /// that shows the image largest, and of equals the smallest.
    LetterboxGeometry geometry(SizeHW source) const;

    /// Letterboxes, infers, decodes. Throws std::invalid_argument for a bad image or option, EngineError.
    void run(const ImageView& image, const DetectOptions& options, Detections& out);

    /// An image whose inference was posted.
    struct Job {
        Slot* slot = nullptr;
        LetterboxGeometry geometry;
        double letterbox_ms = 0;
        std::chrono::steady_clock::time_point posted;
    };
    /// The first half of run(): letterboxes into a free slot and posts the inference. The image is not
    /// needed any more then.
    Job start(const ImageView& image);
    /// The same, or nothing when no slot is free; see Engine::try_acquire.
    std::optional<Job> try_start(const ImageView& image);
    /// The second half: waits, decodes and gives the slot back, also when it throws.
    void finish(const Job& job, const DetectOptions& options, Detections& out);
    /// Waits and gives the slot back without looking at the outputs.
    void abandon(const Job& job) noexcept;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace yolo_edge
