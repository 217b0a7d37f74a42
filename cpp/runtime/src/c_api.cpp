// The C interface over Detector: the only place where exceptions become status codes.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "argument_error.h"
#include "yolo_edge.h"
#include "yolo_edge/detector.h"
#include "yolo_edge/version.h"

struct yolo_edge_detector {
    yolo_edge::Detector detector;
    std::string cpus;
};

struct yolo_edge_results {
    yolo_edge::Detections found;
    std::vector<yolo_edge_box> boxes;
};

namespace yolo_edge {
namespace {

/// A fixed buffer: keeping the text of an error must not fail itself.
struct LastError {
    char text[2048] = "";
};
thread_local LastError last_error;

yolo_edge_status fail(yolo_edge_status status, const char* text) noexcept {
    std::size_t length = std::min(std::strlen(text), sizeof(last_error.text) - 1);
    // Not in the middle of a UTF-8 character.
    while (length > 0 && text[length] != '\0' && (static_cast<unsigned char>(text[length]) & 0xC0U) == 0x80)
        --length;
    std::memcpy(last_error.text, text, length);
    last_error.text[length] = '\0';
    return status;
}

/// Runs `action`; no exception goes further.
template <typename Action>
yolo_edge_status guarded(const Action& action) noexcept {
    try {
        action();
        return YOLO_EDGE_OK;
    } catch (const std::invalid_argument& error) {
        return fail(YOLO_EDGE_BAD_ARGUMENT, error.what());
    } catch (const BundleError& error) {
        return fail(YOLO_EDGE_BAD_BUNDLE, error.what());
    } catch (const EngineError& error) {
        return fail(YOLO_EDGE_ENGINE_FAILED, error.what());
    } catch (const std::bad_alloc&) {
        return fail(YOLO_EDGE_OUT_OF_MEMORY, "out of memory");
    } catch (const std::exception& error) {
        return fail(YOLO_EDGE_FAILED, error.what());
    } catch (...) {
        return fail(YOLO_EDGE_FAILED, "an unknown C++ exception");
    }
}

template <typename T>
T& required(T* pointer, const char* name) {
    if (pointer == nullptr) throw argument_error(name, " is NULL");
    return *pointer;
}

yolo_edge_detector_options defaults(const yolo_edge_detector_options*) {
    static const DetectorOptions options;
    yolo_edge_detector_options plain{};
    plain.engine = options.engine.c_str();
    plain.precision = options.precision.c_str();
    return plain;
}

yolo_edge_detect_options defaults(const yolo_edge_detect_options*) {
    const DetectOptions options;
    yolo_edge_detect_options plain{};
    plain.conf = options.conf;
    plain.iou = options.iou;
    plain.agnostic = options.agnostic ? 1 : 0;
    plain.multi_label = options.multi_label ? 1 : 0;
    plain.max_detections = options.max_detections;
    plain.max_candidates = options.max_candidates;
    return plain;
}

void check_struct_size(std::size_t size) {
    constexpr std::size_t too_large = 4096;
    if (size >= sizeof(std::size_t) && size <= too_large) return;
    throw argument_error("struct_size is ", size, "; it must be the sizeof of the structure (",
                         "call the _init function)");
}

/// Writes the defaults to a structure of any version.
template <typename Options>
void init(Options* options, std::size_t struct_size) {
    required(options, "options");
    check_struct_size(struct_size);
    Options known = defaults(options);
    known.struct_size = struct_size;
    std::memset(static_cast<void*>(options), 0, struct_size);
    std::memcpy(static_cast<void*>(options), &known, std::min(struct_size, sizeof(known)));
}

/// Reads a structure of any version.
template <typename Options>
Options read(const Options* given) {
    Options known = defaults(given);
    if (given == nullptr) return known;
    std::size_t size = 0;
    std::memcpy(&size, given, sizeof(size));
    check_struct_size(size);
    std::memcpy(static_cast<void*>(&known), given, std::min(size, sizeof(known)));
    const auto* bytes = reinterpret_cast<const unsigned char*>(given);
    for (std::size_t i = sizeof(known); i < size; ++i) {
        if (bytes[i] == 0) continue;
        throw argument_error("the options have a value that this version (", version,
                             ") does not know; it needs a newer library");
    }
    return known;
}

DetectorOptions to_cpp(const yolo_edge_detector_options& plain) {
    DetectorOptions options;
    if (plain.engine != nullptr) options.engine = plain.engine;
    if (plain.precision != nullptr) options.precision = plain.precision;
    if (plain.cluster != nullptr) options.cpu.cluster = cpu_cluster(plain.cluster);
    if (plain.affinity != nullptr) options.cpu.affinity = CpuSet::parse(plain.affinity);
    if (plain.threads != 0) options.cpu.threads = plain.threads;
    if (plain.height != 0 || plain.width != 0) options.size = SizeHW{plain.height, plain.width};
    if (plain.letterbox != nullptr) {
        const std::string mode = plain.letterbox;
        if (mode != "rect" && mode != "square") {
            throw argument_error("letterbox is '", mode, "'; it must be rect or square");
        }
        options.letterbox = mode == "rect" ? LetterboxMode::rect : LetterboxMode::square;
    }
    if (plain.reserved != 0) throw argument_error("reserved is ", plain.reserved, "; it must be 0");
    return options;
}

DetectOptions to_cpp(const yolo_edge_detect_options& plain) {
    DetectOptions options;
    options.conf = plain.conf;
    options.iou = plain.iou;
    if (plain.classes != nullptr) {
        if (plain.class_count == 0) throw argument_error("classes is an empty list; NULL keeps all");
        options.classes.assign(plain.classes, plain.classes + plain.class_count);
    }
    options.agnostic = plain.agnostic != 0;
    options.multi_label = plain.multi_label != 0;
    options.max_detections = plain.max_detections;
    options.max_candidates = plain.max_candidates;
    return options;
}

struct EngineText {
    std::string name;
    std::string version;
};

/// Nothing when memory is short.
const std::vector<EngineText>* engine_texts() noexcept {
    try {
        static const std::vector<EngineText> texts = [] {
            std::vector<EngineText> made;
            for (const std::string& name : engine_names()) made.push_back({name, engine_version(name)});
            return made;
        }();
        return &texts;
    } catch (...) {
        return nullptr;
    }
}

/// The C functions take a const detector where nothing of it changes; Detector::engine() is not const.
Engine& engine_of(const yolo_edge_detector* handle) {
    return const_cast<yolo_edge_detector*>(handle)->detector.engine();
}

}  // namespace
}  // namespace yolo_edge

using namespace yolo_edge;  // NOLINT: this file only

extern "C" {

const char* yolo_edge_version(void) {
    return version;
}

const char* yolo_edge_engine_name(size_t index) {
    const auto* texts = engine_texts();
    return texts != nullptr && index < texts->size() ? (*texts)[index].name.c_str() : nullptr;
}

const char* yolo_edge_engine_version(size_t index) {
    const auto* texts = engine_texts();
    return texts != nullptr && index < texts->size() ? (*texts)[index].version.c_str() : nullptr;
}

const char* yolo_edge_last_error(void) {
    return last_error.text;
}

yolo_edge_status yolo_edge_detector_options_init(yolo_edge_detector_options* options, size_t struct_size) {
    return guarded([&] { init(options, struct_size); });
}

yolo_edge_status yolo_edge_detect_options_init(yolo_edge_detect_options* options, size_t struct_size) {
    return guarded([&] { init(options, struct_size); });
}

yolo_edge_status yolo_edge_detector_create(const char* bundle_folder,
                                           const yolo_edge_detector_options* options,
                                           yolo_edge_detector** detector) {
    return guarded([&] {
        required(detector, "detector") = nullptr;
        required(bundle_folder, "bundle_folder");
        Detector made(std::string(bundle_folder), to_cpp(read(options)));
        std::string cpus = made.engine().bound_cpus().to_list();
        *detector = new yolo_edge_detector{std::move(made), std::move(cpus)};
    });
}

void yolo_edge_detector_destroy(yolo_edge_detector* detector) {
    delete detector;
}

const char* yolo_edge_detector_engine(const yolo_edge_detector* detector) {
    return detector == nullptr ? nullptr : engine_of(detector).name().c_str();
}

const char* yolo_edge_detector_precision(const yolo_edge_detector* detector) {
    return detector == nullptr ? nullptr : engine_of(detector).precision().c_str();
}

const char* yolo_edge_detector_cpus(const yolo_edge_detector* detector) {
    return detector == nullptr ? nullptr : detector->cpus.c_str();
}

const char* yolo_edge_detector_warning(const yolo_edge_detector* detector) {
    return detector == nullptr ? nullptr : detector->detector.cpu_plan().warning.c_str();
}

int32_t yolo_edge_detector_threads(const yolo_edge_detector* detector) {
    return detector == nullptr ? 0 : engine_of(detector).threads();
}

size_t yolo_edge_detector_class_count(const yolo_edge_detector* detector) {
    return detector == nullptr ? 0 : detector->detector.bundle().names.size();
}

const char* yolo_edge_detector_class_name(const yolo_edge_detector* detector, int32_t class_id) {
    if (class_id < 0 || static_cast<std::size_t>(class_id) >= yolo_edge_detector_class_count(detector)) {
        return nullptr;
    }
    return detector->detector.bundle().names[static_cast<std::size_t>(class_id)].c_str();
}

yolo_edge_status yolo_edge_results_create(yolo_edge_results** results) {
    return guarded([&] {
        required(results, "results") = nullptr;
        *results = new yolo_edge_results;
    });
}

void yolo_edge_results_destroy(yolo_edge_results* results) {
    delete results;
}

yolo_edge_status yolo_edge_detect(yolo_edge_detector* detector, const uint8_t* pixels, int32_t height,
                                  int32_t width, ptrdiff_t row_stride, yolo_edge_channels channels,
                                  const yolo_edge_detect_options* options, yolo_edge_results* results) {
    return guarded([&] {
        required(results, "results").boxes.clear();
        required(detector, "detector");
        required(pixels, "pixels");
        // The letterbox takes any stride; from C a short one is pixels in place of bytes.
        if (std::abs(static_cast<std::int64_t>(row_stride)) < 3 * static_cast<std::int64_t>(width)) {
            throw argument_error("row_stride is ", row_stride, " bytes; a row of ", width,
                                 " pixels takes at least three times as many");
        }
        if (channels != YOLO_EDGE_BGR && channels != YOLO_EDGE_RGB) {
            throw argument_error("channels is ", channels,
                                 "; it must be YOLO_EDGE_BGR (0) or YOLO_EDGE_RGB (1)");
        }
        const ChannelOrder order = channels == YOLO_EDGE_RGB ? ChannelOrder::rgb : ChannelOrder::bgr;
        detector->detector.detect({pixels, height, width, row_stride, order}, to_cpp(read(options)),
                                  results->found);
        results->boxes.reserve(results->found.boxes.size());
        for (const Proposal& box : results->found.boxes) {
            results->boxes.push_back({box.x0, box.y0, box.x1, box.y1, box.score, box.class_id});
        }
    });
}

size_t yolo_edge_results_count(const yolo_edge_results* results) {
    return results == nullptr ? 0 : results->boxes.size();
}

const yolo_edge_box* yolo_edge_results_boxes(const yolo_edge_results* results) {
    return results == nullptr || results->boxes.empty() ? nullptr : results->boxes.data();
}

yolo_edge_times yolo_edge_results_times(const yolo_edge_results* results) {
    if (results == nullptr) return {};
    const StageTimes& times = results->found.times;
    return {times.letterbox_ms, times.inference_ms, times.postprocess_ms};
}

}  // extern "C"
