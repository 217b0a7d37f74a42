#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <random>
#include <utility>

#include "commands.h"
#include "decoded_image.h"
#include "detector_arguments.h"
#include "errors.h"
#include "interrupt.h"
#include "json_text.h"
#include "model_choice.h"
#include "output.h"
#include "rounded.h"
#include "table.h"
#include "yolo_edge/letterbox.h"
#include "yolo_edge/version.h"

namespace yolo_edge::native {
namespace {

struct BenchArguments {
    std::vector<std::string> image;
    DetectorArguments detector;
    BoxArguments boxes;
    int pairs = 50;
    int warmup = 5;
    bool json = false;
};

/// Milliseconds of every run, in the order in which they were made.
using Times = std::vector<double>;

struct Summary {
    double median = 0;
    double p95 = 0;
    double min = 0;
};

double median_of_sorted(const Times& sorted) {
    const std::size_t middle = sorted.size() / 2;
    return sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

double at_share(const Times& sorted, double share) {
    return sorted[static_cast<std::size_t>(std::lround(share * static_cast<double>(sorted.size() - 1)))];
}

Summary summarise(Times times) {
    std::sort(times.begin(), times.end());
    return {median_of_sorted(times), at_share(times, 0.95), times.front()};
}

struct Ratio {
    double median = 0;
    double low = 0;  ///< Of the 95 % interval, a bootstrap of the median.
    double high = 0;
};

/// Of a/b, pair by pair: what slows the machine down meanwhile slows both.
Ratio paired_ratio(const Times& a, const Times& b) {
    constexpr int resamples = 2000;
    Times ratios;
    for (std::size_t i = 0; i < a.size(); ++i) ratios.push_back(a[i] / b[i]);
    std::mt19937 chance(0);
    std::uniform_int_distribution<std::size_t> any(0, ratios.size() - 1);
    Times medians;
    Times sample(ratios.size());
    for (int i = 0; i < resamples; ++i) {
        for (double& value : sample) value = ratios[any(chance)];
        std::sort(sample.begin(), sample.end());
        medians.push_back(median_of_sorted(sample));
    }
    std::sort(medians.begin(), medians.end());
    std::sort(ratios.begin(), ratios.end());
    return {median_of_sorted(ratios), at_share(medians, 0.025), at_share(medians, 0.975)};
}

/// A picture for when there is none: 1280 x 720, smooth colours under noise, the same every time.
DecodedImage drawn_image() {
    constexpr int width = 1280;
    constexpr int height = 720;
    auto pixels = std::make_shared<std::vector<std::uint8_t>>();
    pixels->reserve(3UL * width * height);
    std::mt19937 chance(0);
    for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
            for (const int value : {255 * x / width, 255 * y / height, 255 * (x + y) / (width + height)}) {
                pixels->push_back(static_cast<std::uint8_t>((value + static_cast<int>(chance() % 32)) & 255));
            }
        }
    }
    return {{pixels->data(), height, width, 3L * width, ChannelOrder::bgr}, pixels};
}

struct Measurements {
    Times pipeline;
    Times letterbox;
    Times inference;
    Times postprocess;
    Times engine;
    SizeHW tensor;
    std::size_t boxes = 0;
};

/// In turn: an image to its boxes, and an inference alone on the tensor of the same image.
Measurements measure(Detector& detector, const ImageView& image, const DetectOptions& options, int warmup,
                     int pairs) {
    using std::chrono::steady_clock;
    const auto since = [](steady_clock::time_point start) {
        return std::chrono::duration<double, std::milli>(steady_clock::now() - start).count();
    };
    Pipeline& pipeline = detector.pipeline();
    const LetterboxGeometry geometry = pipeline.geometry({image.height, image.width});
    Letterbox letterbox(detector.bundle().input.normalization);
    Measurements result;
    result.tensor = geometry.tensor;
    Detections found;
    for (int i = 0; i < warmup + pairs; ++i) {
        if (interrupted()) throw Interrupted{};
        const steady_clock::time_point started = steady_clock::now();
        pipeline.run(image, options, found);
        const double pipeline_ms = since(started);

        Slot& slot = detector.engine().acquire(geometry.tensor);
        double engine_ms = 0;
        try {
            letterbox.run(image, geometry, slot.input);
            const steady_clock::time_point infer_started = steady_clock::now();
            detector.engine().infer(slot);
            engine_ms = since(infer_started);
        } catch (...) {
            detector.engine().release(slot);
            throw;
        }
        detector.engine().release(slot);
        if (i < warmup) continue;
        result.pipeline.push_back(pipeline_ms);
        result.letterbox.push_back(found.times.letterbox_ms);
        result.inference.push_back(found.times.inference_ms);
        result.postprocess.push_back(found.times.postprocess_ms);
        result.engine.push_back(engine_ms);
    }
    result.boxes = found.boxes.size();
    return result;
}

struct Row {
    const char* name;
    const char* key;
    const Times& times;
};

std::vector<Row> rows_of(const Measurements& all) {
    return {{"pipeline", "pipeline", all.pipeline},
            {"  letterbox", "letterbox", all.letterbox},
            {"  inference", "inference", all.inference},
            {"  postprocess", "postprocess", all.postprocess},
            {"bare engine", "engine", all.engine}};
}

std::string as_table(const Measurements& all, const std::string& what) {
    std::vector<std::vector<std::string>> table = {{"stage", "median", "p95", "fastest", "per second"}};
    for (const Row& row : rows_of(all)) {
        const Summary times = summarise(row.times);
        const bool whole = row.name[0] != ' ';
        table.push_back({row.name, rounded(times.median, 2) + " ms", rounded(times.p95, 2) + " ms",
                         rounded(times.min, 2) + " ms", whole ? rounded(1000 / times.median, 1) : ""});
    }
    const Ratio ratio = paired_ratio(all.pipeline, all.engine);
    return what + "\n\n" + format_table(table) + "\npipeline / bare engine: " + rounded(ratio.median, 3) +
           " (95 % interval " + rounded(ratio.low, 3) + " to " + rounded(ratio.high, 3) + ", " +
           std::to_string(all.pipeline.size()) + " interleaved pairs)\n";
}

std::string as_json(const Measurements& all, Detector& detector, const std::string& image_name,
                    const ImageView& image) {
    Engine& engine = detector.engine();
    JsonText json;
    const auto size = [&json](const char* key, int height, int width) {
        json.key(key).begin_array().integer(height).integer(width).end_array();
    };
    json.begin_object();
    json.key("yolo_edge").text(version);
    json.key("model").text(detector.bundle().path);
    json.key("engine").text(engine.name());
    json.key("engine_version").text(engine_version(engine.name()));
    json.key("precision").text(engine.precision());
    json.key("threads").integer(engine.threads());
    json.key("cpus").text(engine.bound_cpus().to_list());
    json.key("image").text(image_name);
    size("image_hw", image.height, image.width);
    size("tensor_hw", all.tensor.height, all.tensor.width);
    json.key("boxes").integer(static_cast<std::int64_t>(all.boxes));
    json.key("pairs").integer(static_cast<std::int64_t>(all.pipeline.size()));
    json.key("times_ms").begin_object();
    for (const Row& row : rows_of(all)) {
        const Summary times = summarise(row.times);
        json.key(row.key).begin_object();
        json.key("median").number(times.median, 4);
        json.key("p95").number(times.p95, 4);
        json.key("min").number(times.min, 4);
        json.end_object();
    }
    json.end_object();
    json.key("fps").number(1000 / summarise(all.pipeline).median, 3);
    json.key("engine_fps").number(1000 / summarise(all.engine).median, 3);
    const Ratio ratio = paired_ratio(all.pipeline, all.engine);
    json.key("pipeline_to_engine").begin_object();
    json.key("median").number(ratio.median, 4);
    json.key("interval_95").begin_array().number(ratio.low, 4).number(ratio.high, 4).end_array();
    json.end_object().end_object();
    return json.str() + "\n";
}

void check_at_least(const char* name, int value, int least) {
    if (value >= least) return;
    throw UsageError(std::string(name) + " is " + std::to_string(value) +
                     "; it must be a whole number of at least " + std::to_string(least));
}

ArgumentTable table_of(BenchArguments& arguments) {
    ArgumentTable table("yolo-edge-native bench", R"(Measure a bundle on this machine.

Two things are timed in turn, warm: the whole way from an image to its boxes, and the engine's inference alone.
Their ratio is taken pair by pair, so that what else runs here touches both alike.
)",
                        R"(examples:
  yolo-edge-native bench --model best.edge --threads 4 --cluster big
  yolo-edge-native bench street.jpg --pairs 200 --json > bench.json
)");
    table.add_positional("IMAGE", "the image to detect in (default: a drawn one of 1280x720)",
                         arguments.image, 0, true);
    arguments.detector.add_to(table);
    arguments.boxes.add_to(table);
    table.group("measurement");
    table.add("--pairs", "N", "runs of each that count (default: %default)", arguments.pairs);
    table.add("--warmup", "N", "runs of each before that (default: %default)", arguments.warmup);
    table.add_switch("--json", "as JSON on standard output", arguments.json);
    return table;
}

}  // namespace

int bench_command(const std::vector<std::string>& given) {
    BenchArguments arguments;
    const ArgumentTable table = table_of(arguments);
    if (!table.parse(given)) {
        print(table.help());
        return 0;
    }
    check_at_least("pairs", arguments.pairs, 1);
    check_at_least("warmup", arguments.warmup, 0);
    arguments.detector.resolve();
    catch_interrupts();
    Bundle bundle = load_bundle(find_model(arguments.detector.model));
    arguments.boxes.resolve(bundle.names);
    const bool drawn = arguments.image.empty();
    const std::string image_name = drawn ? "drawn" : arguments.image[0];
    const DecodedImage image = drawn ? drawn_image() : read_image(image_name);
    Detector detector(std::move(bundle), arguments.detector.options);
    const Measurements all =
        measure(detector, image.view, arguments.boxes.options, arguments.warmup, arguments.pairs);
    if (arguments.json) {
        print(as_json(all, detector, image_name, image.view));
        return 0;
    }
    const std::string what = std::string("yolo-edge ") + version + ", " + detector.engine().name() + " " +
                             engine_version(detector.engine().name()) + "\n" +
                             describe(detector, arguments.detector.options) + "\nimage " + image_name + ", " +
                             std::to_string(image.view.width) + "x" + std::to_string(image.view.height) +
                             ", runs as " + std::to_string(all.tensor.width) + "x" +
                             std::to_string(all.tensor.height) + ", " + std::to_string(all.boxes) + " boxes";
    print(as_table(all, what));
    return 0;
}

}  // namespace yolo_edge::native
