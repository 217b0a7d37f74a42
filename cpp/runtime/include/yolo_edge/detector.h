#pragma once

#include <memory>
#include <optional>
#include <string>

#include "yolo_edge/bundle.h"
#include "yolo_edge/cpu_plan.h"
#include "yolo_edge/detect_options.h"
#include "yolo_edge/detections.h"
#include "yolo_edge/engine.h"
#include "yolo_edge/image.h"
#include "yolo_edge/pipeline.h"

namespace yolo_edge {

/// How a Detector runs; the defaults are those of the Python class of the same name.
struct DetectorOptions {
    std::string engine = "auto";             ///< One of engine_names(), or the usually fastest.
    CpuChoice cpu;                           ///< Threads and CPUs of the engine.
    std::string precision = "auto";          ///< See choose_precision.
    std::optional<SizeHW> size;              ///< Network size, multiples of the stride; else the bundle's.
    std::optional<LetterboxMode> letterbox;  ///< rect or square; else the bundle's. A target with fixed
                                             ///< shapes always pads to its shape.
};

/// Detects objects in images with a bundle: letterbox, network, decoding, NMS. Heavy; make one and share it
/// between threads.
class Detector {
  public:
    /// Throws std::invalid_argument for a bad argument, BundleError and EngineError as load_bundle and Engine
    /// do.
    explicit Detector(const std::string& bundle_folder, const DetectorOptions& options = {});
    explicit Detector(Bundle bundle, const DetectorOptions& options = {});
    ~Detector();
    Detector(Detector&&) noexcept;
    Detector& operator=(Detector&&) noexcept;

    const Bundle& bundle() const;
    const Target& target() const;
    Engine& engine();
    const CpuPlan& cpu_plan() const;

    /// For callers that overlap the letterbox of one image with the inference of another.
    Pipeline& pipeline();

    /// Detects objects in one image. Throws std::invalid_argument for a bad image or option, EngineError when
    /// the engine fails.
    Detections detect(const ImageView& image, const DetectOptions& options = {});
    /// The same into `out`, whose memory is used again: nothing is allocated once it has grown, but what the
    /// engine itself allocates.
    void detect(const ImageView& image, const DetectOptions& options, Detections& out);

    /// Frees the model and ends the inference thread; may be called twice.
    void close();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace yolo_edge
