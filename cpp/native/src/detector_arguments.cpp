#include "detector_arguments.h"

#include <charconv>
#include <cmath>

namespace yolo_edge::native {
namespace {

/// "640" or "HEIGHTxWIDTH".
SizeHW parse_size(const std::string& text) {
    const std::size_t mark = text.find_first_of("xX,");
    const auto side = [&](std::string_view part) {
        int value = 0;
        const auto [stop, error] = std::from_chars(part.data(), part.data() + part.size(), value);
        if (error != std::errc{} || stop != part.data() + part.size() || value < 1) {
            throw std::invalid_argument(
                "'" + text + "' is not an image size; give one number (640) or HEIGHTxWIDTH (384x640)");
        }
        return value;
    };
    const std::string_view whole = text;
    if (mark == std::string::npos) return {side(whole), side(whole)};
    return {side(whole.substr(0, mark)), side(whole.substr(mark + 1))};
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += word + ", ";
    return text;
}

std::vector<std::string> split_list(std::string_view text) {
    std::vector<std::string> parts;
    while (true) {
        const std::size_t comma = std::min(text.find(','), text.size());
        const std::string_view part = text.substr(0, comma);
        const std::size_t first = std::min(part.find_first_not_of(" \t"), part.size());
        parts.emplace_back(part.substr(first, part.find_last_not_of(" \t") + 1 - first));
        if (comma == text.size()) return parts;
        text.remove_prefix(comma + 1);
    }
}

void check_fraction(const char* name, float value) {
    if (value >= 0 && value <= 1) return;
    throw std::invalid_argument(std::string(name) + " is " + shortest(value) +
                                "; it must be a number from 0 to 1");
}

}  // namespace

void DetectorArguments::add_to(ArgumentTable& table) {
    table.add("--model", "BUNDLE",
              "the bundle; default: $YOLO_EDGE_MODEL, else the only *.edge of the working folder", model);
    table.group("engine");
    table.add("--engine", "NAME", joined(engine_names()) + "or auto (default: %default)", options.engine);
    table.add("--threads", "N", "threads of one inference (default: one for each CPU it may run on)",
              options.cpu.threads);
    table.add("--cluster", "NAME",
              "cores to run on: all, big, medium or little (default: big; all where they are alike)",
              cluster);
    table.add("--affinity", "CPUS", "CPUs to run on by list (4-7) or mask (0xf0), instead of a cluster",
              affinity);
    table.add(
        "--precision", "NAME",
        "arithmetic, which also says which of the bundle's targets runs: fp32, fp16-storage, fp16, bf16, "
        "int8, int8-weights or auto, which is fp16-storage where the CPU computes in half precision and the "
        "bundle was verified in it, else fp32 (default: %default)",
        options.precision);
    table.group("network");
    table.add("--imgsz", "SIZE", "network size in pixels, N or HEIGHTxWIDTH (default: the bundle's)", size);
    table.add_choice("--letterbox", {"rect", "square"},
                     "pad to the next multiple of the stride, or to the full size (default: the bundle's)",
                     letterbox);
}

void DetectorArguments::resolve() {
    if (cluster) options.cpu.cluster = cpu_cluster(*cluster);
    if (affinity) options.cpu.affinity = CpuSet::parse(*affinity);
    if (size) options.size = parse_size(*size);
    if (letterbox) options.letterbox = *letterbox == "rect" ? LetterboxMode::rect : LetterboxMode::square;
}

void BoxArguments::add_to(ArgumentTable& table) {
    table.group("boxes");
    table.add("--conf", "X", "confidence threshold, 0..1 (default: %default)", options.conf);
    table.add("--iou", "X", "IoU threshold of NMS, 0..1 (default: %default)", options.iou);
    table.add("--max-detections", "N", "boxes kept per image (default: %default)", options.max_detections);
    table.add("--classes", "LIST", "class ids or names to keep, separated by commas (default: all)", classes);
    table.add_switch("--agnostic", "NMS across classes instead of within each", options.agnostic);
}

void BoxArguments::resolve(const std::vector<std::string>& class_names) {
    check_fraction("conf", options.conf);
    check_fraction("iou", options.iou);
    if (options.max_detections < 1) {
        throw std::invalid_argument("max_detections is " + std::to_string(options.max_detections) +
                                    "; it must be a whole number of at least 1");
    }
    if (classes && !classes->empty()) options.classes = resolve_classes(split_list(*classes), class_names);
}

std::string describe(Detector& detector, const DetectorOptions& options) {
    const Bundle& bundle = detector.bundle();
    const Engine& engine = detector.engine();
    const SizeHW size = options.size.value_or(bundle.input.size);
    const LetterboxMode mode = options.letterbox.value_or(bundle.input.letterbox);
    std::string text = "model " + bundle.path + " (" + bundle.family + ", ";
    text += std::to_string(bundle.names.size()) + " classes), engine " + engine.name() + " ";
    text += engine.precision();
    const std::string& weights = detector.target().weights;
    if (weights != "fp32" && weights != engine.precision()) text += " (weights " + weights + ")";
    text += ", " + std::to_string(engine.threads()) + " threads on CPUs ";
    text += engine.bound_cpus().to_list() + ", " + std::to_string(size.height);
    if (size.width != size.height) text += "x" + std::to_string(size.width);
    return text + (mode == LetterboxMode::rect ? " rect" : " square");
}

}  // namespace yolo_edge::native
