#include "yolo_edge/detector.h"

#include <utility>

#include "argument_error.h"

namespace yolo_edge {

struct Detector::State {
    Bundle bundle;
    CpuPlan plan;
    const Target& target;
    Engine engine;
    Pipeline pipeline;

    State(Bundle read, const DetectorOptions& options)
        : bundle(std::move(read)),
          plan(plan_cpus(options.cpu)),
          target(select_target(bundle, options.engine, options.precision)),
          engine(bundle, target, EngineOptions{plan.threads, plan.engine_cpus, options.precision}),
          pipeline(bundle, target, engine, options.size, options.letterbox) {}
};

Detector::Detector(const std::string& bundle_folder, const DetectorOptions& options)
    : Detector(load_bundle(bundle_folder), options) {}

Detector::Detector(Bundle bundle, const DetectorOptions& options)
    : state_(std::make_unique<State>(std::move(bundle), options)) {}

Detector::~Detector() = default;
Detector::Detector(Detector&&) noexcept = default;
Detector& Detector::operator=(Detector&&) noexcept = default;

const Bundle& Detector::bundle() const {
    return state_->bundle;
}

const Target& Detector::target() const {
    return state_->target;
}

Engine& Detector::engine() {
    return state_->engine;
}

const CpuPlan& Detector::cpu_plan() const {
    return state_->plan;
}

Pipeline& Detector::pipeline() {
    return state_->pipeline;
}

Detections Detector::detect(const ImageView& image, const DetectOptions& options) {
    Detections detections;
    detect(image, options, detections);
    return detections;
}

void Detector::detect(const ImageView& image, const DetectOptions& options, Detections& out) {
    state_->pipeline.run(image, options, out);
}

void Detector::close() {
    state_->engine.close();
}

}  // namespace yolo_edge
