#include <array>
#include <memory>
#include <openvino/openvino.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "engine_backend.h"
#include "openvino_workers.h"

namespace yolo_edge {
namespace {

/// What OpenVINO says, without the places in its source.
std::string reason(const std::exception& error) {
    std::istringstream text(error.what());
    std::string line;
    std::string result;
    while (std::getline(text, line)) {
        const std::size_t start = line.find_first_not_of(" \t\r");
        if (start == std::string::npos || line.compare(start, 15, "Exception from ") == 0) continue;
        result += (result.empty() ? "" : " ") + line.substr(start);
    }
    return result.empty() ? error.what() : result;
}

ov::AnyMap properties(const EngineOptions& options) {
    return {
        ov::hint::performance_mode(ov::hint::PerformanceMode::LATENCY),
        ov::num_streams(1),
        ov::inference_num_threads(options.threads),
        // Else OpenVINO binds every thread, the caller's too, as it likes.
        ov::hint::enable_cpu_pinning(false),
        // Else CPUs that have bfloat16 or half precision compute in it.
        ov::hint::inference_precision(ov::element::f32),
    };
}

/// A tensor without the leading dimensions of 1 that it has beyond what its layout says.
OutputView view(const ov::Tensor& tensor, OutputLayout layout, const std::string& name) {
    const ov::Shape shape = tensor.get_shape();
    const std::size_t wanted = layout == OutputLayout::cells ? 4 : layout == OutputLayout::rows ? 2 : 3;
    std::size_t leading = 0;
    while (shape.size() - leading > wanted && shape[leading] == 1) ++leading;
    OutputView result;
    if (shape.size() - leading > result.shape.size()) {
        throw EngineError("openvino gave output " + name + " " + std::to_string(shape.size()) +
                          " dimensions, too many for its layout");
    }
    result.data = tensor.data<const float>();
    result.dimensions = static_cast<int>(shape.size() - leading);
    std::ptrdiff_t stride = 1;
    for (std::size_t i = shape.size(); i-- > leading;) {
        result.shape[i - leading] = static_cast<int>(shape[i]);
        result.strides[i - leading] = stride;
        stride *= static_cast<std::ptrdiff_t>(shape[i]);
    }
    return result;
}

class OpenVinoBackend final : public EngineBackend {
  public:
    void load(const Target& target, const std::map<std::string, std::string>& files,
              const EngineOptions& options) override {
        const std::string& file = files.at("model");
        workers_.emplace(options.threads, options.cpus);
        try {
            workers_->start([&] {
                ov::Core core;
                const auto model = core.read_model(file, files.at("weights"));
                // Height and width stay open: a model compiled for one size was not measurably faster.
                model_ = core.compile_model(model, "CPU", properties(options));
            });
        } catch (const ov::Exception& error) {
            throw EngineError("openvino cannot load " + file + ": " + reason(error));
        }
        input_ = port(model_.inputs(), target.input.name, file);
        for (const TargetOutput& output : target.outputs) {
            outputs_.push_back({output.name, port(model_.outputs(), output.name, file), output.form.layout});
        }
        // One for each slot: the heads of one frame stay while another is being computed.
        for (ov::InferRequest& request : requests_) request = model_.create_infer_request();
    }

    void prepare(Slot& slot) override {
        const auto height = static_cast<std::size_t>(slot.tensor.height);
        const auto width = static_cast<std::size_t>(slot.tensor.width);
        try {
            // Over the slot's memory, which OpenVINO reads in place.
            request_of(slot).set_tensor(
                input_, ov::Tensor(ov::element::f32, ov::Shape{1, 3, height, width}, slot.input));
        } catch (const ov::Exception& error) {
            throw EngineError("openvino refuses an input of " + size_of(slot) + ": " + reason(error));
        }
    }

    void infer(Slot& slot) override {
        ov::InferRequest& request = request_of(slot);
        try {
            request.infer();
        } catch (const ov::Exception& error) {
            throw EngineError("openvino failed on an input of " + size_of(slot) + ": " + reason(error));
        }
        workers_->bind();
        slot.outputs.resize(outputs_.size());
        for (std::size_t i = 0; i < outputs_.size(); ++i) {
            const Output& output = outputs_[i];
            slot.outputs[i] = view(request.get_tensor(output.port), output.layout, output.name);
        }
    }

  private:
    using Port = ov::Output<const ov::Node>;
    struct Output {
        std::string name;
        Port port;
        OutputLayout layout;
    };

    ov::InferRequest& request_of(const Slot& slot) { return requests_[static_cast<std::size_t>(slot.index)]; }

    static std::string size_of(const Slot& slot) {
        return std::to_string(slot.tensor.height) + "x" + std::to_string(slot.tensor.width);
    }

    static Port port(const std::vector<Port>& ports, const std::string& wanted, const std::string& file) {
        std::string known;
        for (const Port& candidate : ports) {
            if (candidate.get_names().count(wanted) != 0) return candidate;
            for (const std::string& name : candidate.get_names()) known += (known.empty() ? "" : ", ") + name;
        }
        throw EngineError(file + " has no tensor " + wanted + "; it has: " + known);
    }

    // Destroyed last to first.
    std::optional<OpenVinoWorkers> workers_;
    ov::CompiledModel model_;
    Port input_;
    std::vector<Output> outputs_;
    std::array<ov::InferRequest, slot_count> requests_;
};

}  // namespace

EngineEntry openvino_entry() {
    return {"openvino",
            {"fp32", "int8"},
            [] {
                const std::string build =
                    ov::get_openvino_version().buildNumber;  // 2026.4.1-22982-e213a147257-…
                return build.substr(0, build.find('-'));
            },
            []() -> std::unique_ptr<EngineBackend> { return std::make_unique<OpenVinoBackend>(); }};
}

}  // namespace yolo_edge
