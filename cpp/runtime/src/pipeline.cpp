#include "yolo_edge/pipeline.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "argument_error.h"
#include "engine_backend.h"
#include "yolo_edge/letterbox.h"
#include "yolo_edge/postprocessor.h"

namespace yolo_edge {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds(Clock::duration time) {
    return std::chrono::duration<double, std::milli>(time).count();
}

std::vector<OutputSpec> forms(const Target& target) {
    std::vector<OutputSpec> result;
    for (const TargetOutput& output : target.outputs) result.push_back(output.form);
    return result;
}

/// What stands before and after the network, and its working memory.
struct Stages {
    Letterbox letterbox;
    Postprocessor postprocessor;
    ProposalOptions proposal_options;
    NmsOptions nms_options;

    Stages(const Bundle& bundle, const Target& target)
        : letterbox(bundle.input.normalization), postprocessor(bundle.heads, forms(target)) {}

    void choose(const DetectOptions& options) {
        proposal_options.confidence = options.conf;
        proposal_options.multi_label = options.multi_label;
        proposal_options.classes = options.classes;
        nms_options.iou = options.iou;
        nms_options.class_agnostic = options.agnostic;
        nms_options.max_detections = options.max_detections;
        nms_options.max_candidates = options.max_candidates;
    }
};

SizeHW best_fixed_shape(const std::vector<SizeHW>& shapes, SizeHW source) {
    const auto rank = [source](SizeHW shape) {
        const double scale = std::min(static_cast<double>(shape.height) / source.height,
                                      static_cast<double>(shape.width) / source.width);
        return std::make_pair(-scale, static_cast<long long>(shape.height) * shape.width);
    };
    return *std::min_element(shapes.begin(), shapes.end(),
                             [&](SizeHW a, SizeHW b) { return rank(a) < rank(b); });
}

void check_size(SizeHW size, int stride) {
    const auto fits = [stride](int side) { return side >= stride && side % stride == 0; };
    if (fits(size.height) && fits(size.width)) return;
    std::vector<int> near;
    for (const int side : {size.height, size.width}) {
        for (const int step : {0, stride}) near.push_back(std::max(stride, side / stride * stride + step));
    }
    std::sort(near.begin(), near.end());
    near.erase(std::unique(near.begin(), near.end()), near.end());
    std::string listed;
    for (const int side : near) listed += (listed.empty() ? "" : ", ") + std::to_string(side);
    std::string shown = std::to_string(size.height);
    if (size.width != size.height) shown += "x" + std::to_string(size.width);
    throw argument_error("image size ", shown, " is not a multiple of the model's stride ", stride,
                         "; the nearest that are: ", listed);
}

}  // namespace

struct Pipeline::State {
    Engine& engine;
    LetterboxOptions letterbox;
    std::vector<SizeHW> fixed_shapes;
    std::array<Stages, slot_count> stages;

    State(const Bundle& bundle, const Target& target, Engine& loaded)
        : engine(loaded),
          fixed_shapes(target.input.shapes),
          stages{Stages(bundle, target), Stages(bundle, target)} {}

    Stages& of(const Slot& slot) { return stages[static_cast<std::size_t>(slot.index)]; }

    Job start(Slot& slot, const ImageView& image, const LetterboxGeometry& geometry) {
        try {
            Job job;
            job.slot = &slot;
            job.geometry = geometry;
            const auto begun = Clock::now();
            of(slot).letterbox.run(image, geometry, slot.input);
            job.posted = Clock::now();
            job.letterbox_ms = milliseconds(job.posted - begun);
            engine.start(slot);
            return job;
        } catch (...) {
            engine.release(slot);
            throw;
        }
    }
};

Pipeline::Pipeline(const Bundle& bundle, const Target& target, Engine& engine, std::optional<SizeHW> size,
                   std::optional<LetterboxMode> mode)
    : state_(std::make_unique<State>(bundle, target, engine)) {
    LetterboxOptions& options = state_->letterbox;
    options.size = size.value_or(bundle.input.size);
    options.stride = bundle.input.stride;
    options.mode = mode.value_or(bundle.input.letterbox);
    check_size(options.size, options.stride);
    if (options.mode == LetterboxMode::stretch) {
        throw argument_error("letterbox is stretch; it must be rect or square");
    }
}

Pipeline::~Pipeline() = default;

LetterboxGeometry Pipeline::geometry(SizeHW source) const {
    LetterboxOptions options = state_->letterbox;
    if (!state_->fixed_shapes.empty() && source.height > 0 && source.width > 0) {
        options.size = best_fixed_shape(state_->fixed_shapes, source);
        options.mode = LetterboxMode::square;
    }
    return letterbox_geometry(source, options);
}

void Pipeline::run(const ImageView& image, const DetectOptions& options, Detections& out) {
    finish(start(image), options, out);
}

Pipeline::Job Pipeline::start(const ImageView& image) {
    const LetterboxGeometry where = geometry({image.height, image.width});
    return state_->start(state_->engine.acquire(where.tensor), image, where);
}

std::optional<Pipeline::Job> Pipeline::try_start(const ImageView& image) {
    const LetterboxGeometry where = geometry({image.height, image.width});
    Slot* slot = state_->engine.try_acquire(where.tensor);
    if (slot == nullptr) return std::nullopt;
    return state_->start(*slot, image, where);
}

void Pipeline::finish(const Job& job, const DetectOptions& options, Detections& out) {
    struct Release {
        Engine& engine;
        Slot& slot;
        ~Release() { engine.release(slot); }
    } const release{state_->engine, *job.slot};
    const Engine::Times times = state_->engine.wait(*job.slot);
    const auto begun = Clock::now();
    Stages& stages = state_->of(*job.slot);
    stages.choose(options);
    const std::vector<Proposal>& boxes = stages.postprocessor.run_outputs(
        job.slot->outputs, job.geometry, stages.proposal_options, stages.nms_options);
    out.boxes.assign(boxes.begin(), boxes.end());
    out.times.letterbox_ms = job.letterbox_ms;
    out.times.inference_ms = milliseconds(times.finished - job.posted);
    out.times.engine_from = times.started;
    out.times.engine_to = times.finished;
    out.times.postprocess_ms = milliseconds(Clock::now() - begun);
}

void Pipeline::abandon(const Job& job) noexcept {
    try {
        state_->engine.wait(*job.slot);
    } catch (...) {
        // the caller has an error that came first
    }
    state_->engine.release(*job.slot);
}

}  // namespace yolo_edge
