#include "yolo_edge/detector.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "arrays.h"
#include "image.h"
#include "register.h"

namespace py = pybind11;

namespace yolo_edge {
namespace {

/// A point of time on the clock of Python's time.perf_counter, which on Linux is the same one.
double seconds(std::chrono::steady_clock::time_point time) {
    return std::chrono::duration<double>(time.time_since_epoch()).count();
}

py::tuple as_tuple(const Detections& found) {
    const StageTimes& times = found.times;
    const py::tuple arrays = arrays_of(found.boxes);
    return py::make_tuple(arrays[0], arrays[1], arrays[2],
                          py::make_tuple(times.letterbox_ms, times.inference_ms, times.postprocess_ms,
                                         seconds(times.engine_from), seconds(times.engine_to)));
}

/// An image whose inference was posted; gives its slot back when nobody finished it.
class Job {
  public:
    Job(std::shared_ptr<Detector> detector, Pipeline::Job job)
        : detector_(std::move(detector)), job_(job), open_(true) {}
    ~Job() { abandon(); }
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;

    Detections finish(const DetectOptions& options) {
        if (!std::exchange(open_, false)) throw std::invalid_argument("this job was finished before");
        Detections found;
        detector_->pipeline().finish(job_, options, found);
        return found;
    }

    void abandon() {
        if (!std::exchange(open_, false)) return;
        const py::gil_scoped_release unlocked;
        detector_->pipeline().abandon(job_);
    }

  private:
    std::shared_ptr<Detector> detector_;
    Pipeline::Job job_;
    bool open_;
};

DetectOptions detect_options(float conf, float iou, std::optional<std::vector<int>> classes, bool agnostic,
                             bool multi_label, int max_detections, int max_candidates) {
    DetectOptions options;
    options.conf = conf;
    options.iou = iou;
    if (classes) options.classes = std::move(*classes);
    options.agnostic = agnostic;
    options.multi_label = multi_label;
    options.max_detections = max_detections;
    options.max_candidates = max_candidates;
    return options;
}

/// A copy of an output, without its strides.
py::array_t<float> array_of(const OutputView& output) {
    std::vector<py::ssize_t> shape;
    std::vector<py::ssize_t> strides;
    for (int i = 0; i < output.dimensions; ++i) {
        const auto axis = static_cast<std::size_t>(i);
        shape.push_back(output.shape[axis]);
        strides.push_back(output.strides[axis] * static_cast<py::ssize_t>(sizeof(float)));
    }
    // Without a base object numpy copies.
    return py::array_t<float>(shape, strides, output.data);
}

std::shared_ptr<Detector> make_detector(const std::string& manifest, const std::string& folder,
                                        const std::string& engine, int threads, const CpuSet& cpus,
                                        const std::string& precision, PairHW size, bool square) {
    DetectorOptions options;
    options.engine = engine;
    options.cpu.threads = threads;
    options.cpu.affinity = cpus;
    options.precision = precision;
    options.size = size_hw(size);
    options.letterbox = square ? LetterboxMode::square : LetterboxMode::rect;
    const py::gil_scoped_release unlocked;
    return std::make_shared<Detector>(parse_bundle(manifest, folder), options);
}

std::vector<py::array> compute_heads(Detector& detector, const py::array& tensor) {
    const bool fits = has_dtype<float>(tensor) && tensor.ndim() == 4 && tensor.shape(0) == 1 &&
                      tensor.shape(1) == 3 && fits_int(tensor) && (tensor.flags() & py::array::c_style) != 0;
    if (!fits) {
        throw std::invalid_argument("tensor is " + describe(tensor) +
                                    "; it must be C-contiguous float32 (1, 3, height, width)");
    }
    struct Lease {
        Engine& engine;
        Slot& slot;
        ~Lease() { engine.release(slot); }
    };
    Engine& engine = detector.engine();
    const SizeHW size = {static_cast<int>(tensor.shape(2)), static_cast<int>(tensor.shape(3))};
    std::optional<py::gil_scoped_release> unlocked(std::in_place);
    const Lease lease{engine, engine.acquire(size)};
    std::memcpy(lease.slot.input, tensor.data(), static_cast<std::size_t>(tensor.nbytes()));
    engine.infer(lease.slot);
    unlocked.reset();
    std::vector<py::array> heads;
    for (const OutputView& output : lease.slot.outputs) heads.push_back(array_of(output));
    return heads;
}

template <typename Error>
void translate(const char* name) {
    static const char* const class_name = name;
    py::register_exception_translator([](std::exception_ptr pointer) {
        try {
            if (pointer) std::rethrow_exception(pointer);
        } catch (const Error& error) {
            const py::object type = py::module_::import("yolo_edge.errors").attr(class_name);
            PyErr_SetString(type.ptr(), error.what());
        }
    });
}

}  // namespace

void register_detector(py::module_& m) {
    translate<BundleError>("BundleError");
    translate<EngineError>("EngineError");

    py::dict engines;
    for (const std::string& name : engine_names()) engines[py::str(name)] = engine_version(name);
    m.attr("native_engines") = engines;

    const DetectOptions defaults;
    const DetectorOptions detector_defaults;
    py::dict native_defaults;
    native_defaults["conf"] = defaults.conf;
    native_defaults["iou"] = defaults.iou;
    native_defaults["classes"] =
        defaults.classes.empty() ? py::object(py::none()) : py::cast(defaults.classes);
    native_defaults["agnostic"] = defaults.agnostic;
    native_defaults["multi_label"] = defaults.multi_label;
    native_defaults["max_detections"] = defaults.max_detections;
    native_defaults["max_candidates"] = defaults.max_candidates;
    native_defaults["engine"] = detector_defaults.engine;
    native_defaults["precision"] = detector_defaults.precision;
    m.attr("native_defaults") = native_defaults;

    py::class_<Job>(m, "NativeJob", "An image whose inference was posted, see `NativeDetector.start`.")
        .def("abandon", &Job::abandon,
             "Waits for the inference and gives the engine's slot back; nothing happens after `finish`.");

    const auto start = [](const std::shared_ptr<Detector>& self, const py::array& image,
                          const std::string& image_channels) {
        const ImageArgument argument = image_argument(image, channel_order("image_channels", image_channels));
        const py::gil_scoped_release unlocked;
        return std::make_unique<Job>(self, self->pipeline().start(argument.view));
    };
    const auto try_start = [](const std::shared_ptr<Detector>& self, const py::array& image,
                              const std::string& image_channels) -> std::unique_ptr<Job> {
        const ImageArgument argument = image_argument(image, channel_order("image_channels", image_channels));
        const py::gil_scoped_release unlocked;
        const std::optional<Pipeline::Job> job = self->pipeline().try_start(argument.view);
        return job ? std::make_unique<Job>(self, *job) : nullptr;
    };
    const auto finish = [](const Detector&, Job& job, float conf, float iou,
                           std::optional<std::vector<int>> classes, bool agnostic, bool multi_label,
                           int max_detections, int max_candidates) {
        const DetectOptions options = detect_options(conf, iou, std::move(classes), agnostic, multi_label,
                                                     max_detections, max_candidates);
        Detections found;
        {
            const py::gil_scoped_release unlocked;
            found = job.finish(options);
        }
        return as_tuple(found);
    };
    const auto detect = [](Detector& self, const py::array& image, float conf, float iou,
                           std::optional<std::vector<int>> classes, bool agnostic, bool multi_label,
                           int max_detections, int max_candidates, const std::string& image_channels) {
        const ImageArgument argument = image_argument(image, channel_order("image_channels", image_channels));
        const DetectOptions options = detect_options(conf, iou, std::move(classes), agnostic, multi_label,
                                                     max_detections, max_candidates);
        Detections found;
        {
            const py::gil_scoped_release unlocked;
            self.detect(argument.view, options, found);
        }
        return as_tuple(found);
    };

    py::class_<Detector, std::shared_ptr<Detector>>(
        m, "NativeDetector",
        R"(The C++ Detector: letterbox, network, decoding and NMS without Python in between.

`yolo_edge.Detector` uses it for the engines in `native_engines`. Threads may share an object; their calls queue.
The global lock is free during every call.

Args:
    manifest: The text of bundle.json.
    folder: The folder that holds the files it names.
    engine: One of `native_engines`.
    threads: Threads of one inference.
    cpus: CPUs that the inference thread and its workers are bound to.
    precision: "auto", "fp32", "fp16-storage", "fp16", "bf16" or "int8".
    size_hw: Network size in pixels.
    square: Pad to the full size instead of the next multiple of the stride.

Raises:
    ValueError: A bad argument.
    BundleError: A manifest or files that cannot be used.
    EngineError: The engine refuses the model.)")
        .def(py::init(&make_detector), py::arg("manifest"), py::arg("folder"), py::kw_only(),
             py::arg("engine"), py::arg("threads"), py::arg("cpus"), py::arg("precision"), py::arg("size_hw"),
             py::arg("square"))
        .def_property_readonly(
            "precision", [](Detector& self) { return self.engine().precision(); },
            "Arithmetic of the inference; what \"auto\" became.")
        .def(
            "bound_cpus", [](Detector& self) { return self.engine().bound_cpus(); },
            py::call_guard<py::gil_scoped_release>(),
            "The CPUs that the kernel says the inference thread is bound to.")
        .def("detect", detect, py::arg("image"), py::kw_only(), py::arg("conf") = defaults.conf,
             py::arg("iou") = defaults.iou, py::arg("classes") = py::none(),
             py::arg("agnostic") = defaults.agnostic, py::arg("multi_label") = defaults.multi_label,
             py::arg("max_detections") = defaults.max_detections,
             py::arg("max_candidates") = defaults.max_candidates,
             py::arg("image_channels") = name_of(ImageView{}.order), R"(Detects objects in one image.

Args:
    image: uint8 (height, width, 3), any row stride.
    conf: Keep scores strictly greater than this, 0..1.
    iou: IoU threshold of NMS, 0..1.
    classes: Class ids to keep; None keeps all.
    agnostic: NMS across classes.
    multi_label: Every class above the threshold gives a box.
    max_detections: Boxes kept at most.
    max_candidates: Boxes that enter NMS at most.
    image_channels: Order of the image's channels, 'bgr' (OpenCV) or 'rgb'.

Returns:
    (xyxy float32 (n, 4), confidence float32 (n,), class_id int32 (n,), times): boxes in pixels of the image, the most
    confident first; times are letterbox, inference and post-processing in milliseconds, and when the engine began and
    was done on the clock of time.perf_counter.

Raises:
    ValueError: A bad argument.
    EngineError: The engine failed.)")
        .def("start", start, py::arg("image"), py::kw_only(),
             py::arg("image_channels") = name_of(ImageView{}.order),
             "Letterboxes an image and posts its inference; `finish` has to follow. Waits for a free slot.")
        .def("try_start", try_start, py::arg("image"), py::kw_only(),
             py::arg("image_channels") = name_of(ImageView{}.order),
             "As `start`, but returns None when no slot is free.")
        .def("finish", finish, py::arg("job"), py::kw_only(), py::arg("conf") = defaults.conf,
             py::arg("iou") = defaults.iou, py::arg("classes") = py::none(),
             py::arg("agnostic") = defaults.agnostic, py::arg("multi_label") = defaults.multi_label,
             py::arg("max_detections") = defaults.max_detections,
             py::arg("max_candidates") = defaults.max_candidates,
             "Waits for a job's inference; arguments and result are those of `detect`.")
        .def("compute_heads", &compute_heads, py::arg("tensor"),
             R"(Runs the bare network.

Args:
    tensor: float32 (1, 3, H, W), letterboxed and normalised.

Returns:
    One float32 array per output, in the order of the bundle's heads.)")
        .def("close", &Detector::close, py::call_guard<py::gil_scoped_release>(),
             "Frees the model and ends the inference thread, after what is running; may be called twice.");
}

}  // namespace yolo_edge
