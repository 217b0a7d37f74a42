#include <chrono>
#include <utility>

#include "commands.h"
#include "detector_arguments.h"
#include "errors.h"
#include "interrupt.h"
#include "model_choice.h"
#include "output.h"
#include "progress.h"
#include "run_statistics.h"
#include "sink.h"
#include "source.h"

namespace yolo_edge::native {
namespace {

using std::chrono::steady_clock;

struct RunArguments {
    std::vector<std::string> sources;
    DetectorArguments detector;
    BoxArguments boxes;
    std::optional<int> max_frames;
    int every = 1;
    std::optional<std::string> jsonl;
    bool quiet = false;
};

/// A frame whose inference was posted. Gives the engine's slot back, whatever happens.
class PostedFrame {
  public:
    PostedFrame(Pipeline& pipeline, Frame frame)
        : pipeline_(pipeline), frame_(std::move(frame)), job_(pipeline.start(frame_.image.view)) {}
    ~PostedFrame() {
        if (!finished_) pipeline_.abandon(job_);
    }
    PostedFrame(const PostedFrame&) = delete;
    PostedFrame& operator=(const PostedFrame&) = delete;

    const Frame& frame() const { return frame_; }

    void finish(const DetectOptions& options, Detections& out) {
        finished_ = true;
        pipeline_.finish(job_, options, out);
    }

  private:
    Pipeline& pipeline_;
    Frame frame_;
    Pipeline::Job job_;
    bool finished_ = false;
};

/// From sources through the detector to the sink. While the engine computes one frame, the next is read and
/// letterboxed.
class Run {
  public:
    Run(Detector& detector, const DetectOptions& options, Sink& sink, Progress& progress,
        std::int64_t max_frames)
        : pipeline_(detector.pipeline()),
          options_(options),
          sink_(sink),
          progress_(progress),
          max_frames_(max_frames) {}

    /// Ends early when the user interrupts, or when there are enough frames.
    void source(Source& source) {
        std::unique_ptr<PostedFrame> posted;
        while (!done()) {
            std::optional<FrameOrFailure> item = source.next();
            if (!item) break;
            if (auto* frame = std::get_if<Frame>(&*item)) {
                auto next = std::make_unique<PostedFrame>(pipeline_, std::move(*frame));
                ++started_;
                finish(posted, source);
                posted = std::move(next);
            } else {
                finish(posted, source);
                fail(std::get<FailedFrame>(*item));
            }
        }
        finish(posted, source);
    }

    bool done() const { return interrupted() || started_ >= max_frames_; }
    const RunStatistics& statistics() const { return statistics_; }

  private:
    void finish(std::unique_ptr<PostedFrame>& posted, const Source& source) {
        if (!posted) return;
        posted->finish(options_, detections_);
        const std::chrono::duration<double> elapsed = steady_clock::now() - began_;
        statistics_.add(detections_, elapsed.count());
        sink_.write(posted->frame(), detections_.boxes);
        progress_.frame(source, statistics_.frames, statistics_.fps(), detections_.boxes.size());
        posted.reset();
    }

    void fail(const FailedFrame& failed) {
        ++statistics_.failures;
        progress_.message(failed.error);
        sink_.fail(failed);
    }

    Pipeline& pipeline_;
    const DetectOptions& options_;
    Sink& sink_;
    Progress& progress_;
    std::int64_t max_frames_;
    std::int64_t started_ = 0;
    steady_clock::time_point began_ = steady_clock::now();
    RunStatistics statistics_;
    Detections detections_;  // reused: its memory has grown after the first frames
};

ArgumentTable table_of(RunArguments& arguments) {
    ArgumentTable table("yolo-edge-native run", R"(Detect objects in images, folders and videos.

SOURCE is an image, a folder, a glob pattern or (in a build with OpenCV) a video file.
Results go to --jsonl; without it, each image, and each frame with detections, is a line on stdout.
)",
                        R"(examples:
  yolo-edge-native run street.jpg                         the only bundle of this folder on one image
  yolo-edge-native run --model best.edge images/ --jsonl - | jq .detections
  yolo-edge-native run images/ --threads 4 --cluster big --conf 0.4 --classes person,car
)");
    table.add_positional("SOURCE", "what to look at; several run one after the other", arguments.sources, 1);
    arguments.detector.add_to(table);
    arguments.boxes.add_to(table);
    table.group("frames");
    table.add("--max-frames", "N", "stop after N frames", arguments.max_frames);
    table.add("--every", "N", "take only each N-th frame (default: %default)", arguments.every);
    table.group("outputs");
    table.add("--jsonl", "PATH", "JSON Lines, one line a frame; - is standard output", arguments.jsonl);
    table.add_switch("--quiet", "no progress and no summary, errors only", arguments.quiet);
    return table;
}

}  // namespace

int run_command(const std::vector<std::string>& given) {
    RunArguments arguments;
    const ArgumentTable table = table_of(arguments);
    if (!table.parse(given)) {
        print(table.help());
        return 0;
    }
    if (arguments.max_frames && *arguments.max_frames < 1) {
        throw UsageError("max-frames is " + std::to_string(*arguments.max_frames) +
                         "; it must be a whole number of at least 1");
    }
    arguments.detector.resolve();
    const DetectorOptions& detector_options = arguments.detector.options;

    catch_interrupts();
    Bundle bundle = load_bundle(find_model(arguments.detector.model));
    arguments.boxes.resolve(bundle.names);
    const std::vector<std::unique_ptr<Source>> sources = open_sources(arguments.sources, arguments.every);
    Detector detector(std::move(bundle), detector_options);
    Progress progress(arguments.quiet);
    if (!detector.cpu_plan().warning.empty()) {
        progress.message("yolo-edge-native run: warning: " + detector.cpu_plan().warning);
    }
    const std::vector<std::string>& names = detector.bundle().names;
    const std::unique_ptr<Sink> sink =
        arguments.jsonl ? json_lines(*arguments.jsonl, names) : text_lines(names);
    if (!arguments.quiet) progress.message(describe(detector, detector_options));

    constexpr std::int64_t no_limit = std::numeric_limits<std::int64_t>::max();
    Run run(detector, arguments.boxes.options, *sink, progress,
            arguments.max_frames ? *arguments.max_frames : no_limit);
    try {
        for (const std::unique_ptr<Source>& source : sources) {
            if (run.done()) break;
            run.source(*source);
        }
    } catch (const Interrupted&) {
        // The summary tells how far it came.
    }
    progress.clear();
    sink->close();
    if (!arguments.quiet) {
        progress.message(run.statistics().describe());
        if (const std::optional<std::string> wrote = sink->summary()) progress.message("wrote " + *wrote);
    }
    if (interrupted()) return 130;
    return run.statistics().failures > 0 ? 1 : 0;
}

}  // namespace yolo_edge::native
