#include <allocator.h>
#include <cpu.h>
#include <net.h>
#include <platform.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine_backend.h"
#ifdef YOLO_EDGE_NCNN_OWN_OPENMP
#include "openmp_team.h"
#endif

namespace yolo_edge {
namespace {

/// ncnn's options for one of our kinds of arithmetic. ncnn's own defaults compute in half precision where the
/// CPU can; everything is asked for, or asked away, by name.
ncnn::Option ncnn_options(const EngineOptions& options) {
    ncnn::Option result;
    result.num_threads = options.threads;
    result.lightmode = true;
    result.openmp_blocktime = 0;
    result.use_vulkan_compute = false;
    const bool half = options.precision == "fp16" || options.precision == "fp16-storage";
    const bool brain = options.precision == "bf16";
    result.use_fp16_packed = half;
    result.use_fp16_storage = half;
    result.use_fp16_arithmetic = options.precision == "fp16";
    result.use_bf16_packed = brain;
    result.use_bf16_storage = brain;
    return result;
}

/// The first elements of a Mat's dimensions, outermost first, without `leading` of them.
OutputView view(const ncnn::Mat& mat, int leading) {
    const std::array<int, 4> shape = {mat.c, mat.d, mat.h, mat.w};
    const std::ptrdiff_t row = mat.w;
    const std::array<std::ptrdiff_t, 4> strides = {static_cast<std::ptrdiff_t>(mat.cstep), row * mat.h, row,
                                                   1};
    // Of the four, a Mat has: w; h, w; c, h, w; or all.
    const std::array<std::array<std::size_t, 4>, 5> used = {{{}, {3}, {2, 3}, {0, 2, 3}, {0, 1, 2, 3}}};
    OutputView result;
    result.data = static_cast<const float*>(mat.data);
    result.dimensions = mat.dims - leading;
    for (int i = leading; i < mat.dims; ++i) {
        const std::size_t from = used[static_cast<std::size_t>(mat.dims)][static_cast<std::size_t>(i)];
        result.shape[static_cast<std::size_t>(i - leading)] = shape[from];
        result.strides[static_cast<std::size_t>(i - leading)] = strides[from];
    }
    return result;
}

/// How many leading dimensions of 1 a Mat has beyond what its layout says.
int leading_ones(const ncnn::Mat& mat, OutputLayout layout) {
    const int wanted = layout == OutputLayout::cells ? 4 : layout == OutputLayout::rows ? 2 : 3;
    return mat.dims > wanted && mat.c == 1 ? 1 : 0;
}

class NcnnBackend final : public EngineBackend {
  public:
    void load(const Target& target, const std::map<std::string, std::string>& files,
              const EngineOptions& options) override {
        net_.opt = ncnn_options(options);
#ifdef YOLO_EDGE_NCNN_OWN_OPENMP
        start_openmp_team(options.threads);
#endif
        // Blobs of a frame go back to these pools and serve the next one.
        net_.opt.blob_allocator = &blob_pool_;
        net_.opt.workspace_allocator = &workspace_pool_;
        // An error code is all that ncnn returns; what went wrong it prints to stderr itself.
        const std::string& param = files.at("param");
        if (net_.load_param(param.c_str()) != 0) throw EngineError("ncnn cannot load " + param);
        const std::string& weights = files.at("bin");
        if (net_.load_model(weights.c_str()) != 0) throw EngineError("ncnn cannot load " + weights);
        input_ = blob_index(net_.input_names(), net_.input_indexes(), target.input.name, param);
        for (const TargetOutput& output : target.outputs) {
            outputs_.push_back({output.name,
                                blob_index(net_.output_names(), net_.output_indexes(), output.name, param),
                                output.form.layout});
        }
        for (auto& frame : frames_) frame.outputs.resize(outputs_.size());
    }

    void prepare(Slot& slot) override {
        Frame& frame = frame_of(slot);
        // A Mat over the slot's memory, which ncnn reads in place. Its channels have to lie where ours do.
        frame.input = ncnn::Mat(slot.tensor.width, slot.tensor.height, 3, slot.input);
        const auto plane =
            static_cast<std::size_t>(slot.tensor.width) * static_cast<std::size_t>(slot.tensor.height);
        if (frame.input.cstep != plane) {
            throw EngineError("ncnn needs inputs whose planes are multiples of 16 bytes; " +
                              std::to_string(slot.tensor.height) + "x" + std::to_string(slot.tensor.width) +
                              " is not");
        }
    }

    void infer(Slot& slot) override {
        Frame& frame = frame_of(slot);
        slot.outputs.resize(outputs_.size());
        ncnn::Extractor extractor = net_.create_extractor();
        extractor.input(input_, frame.input);
        for (std::size_t i = 0; i < outputs_.size(); ++i) {
            ncnn::Mat& mat = frame.outputs[i];
            const int code = extractor.extract(outputs_[i].index, mat);
            if (code != 0 || mat.empty()) {
                throw EngineError("ncnn failed on an input of " + std::to_string(slot.tensor.height) + "x" +
                                  std::to_string(slot.tensor.width) + " at output " + outputs_[i].name +
                                  " (code " + std::to_string(code) + ")");
            }
            slot.outputs[i] = view(mat, leading_ones(mat, outputs_[i].layout));
        }
    }

  private:
    struct Output {
        std::string name;
        int index;
        OutputLayout layout;
    };
    /// What belongs to a slot.
    struct Frame {
        ncnn::Mat input;
        std::vector<ncnn::Mat> outputs;
    };

    Frame& frame_of(const Slot& slot) { return frames_[static_cast<std::size_t>(slot.index)]; }

    static int blob_index(const std::vector<const char*>& names, const std::vector<int>& indexes,
                          const std::string& wanted, const std::string& file) {
        std::string known;
        for (std::size_t i = 0; i < names.size(); ++i) {
            if (names[i] == wanted) return indexes[i];
            known += (known.empty() ? "" : ", ") + std::string(names[i]);
        }
        throw EngineError(file + " has no blob " + wanted + "; it has: " + known);
    }

    // Destroyed last to first: Mats and net give their memory back to the pools.
    ncnn::PoolAllocator blob_pool_;
    ncnn::PoolAllocator workspace_pool_;
    ncnn::Net net_;
    int input_ = -1;
    std::vector<Output> outputs_;
    std::array<Frame, slot_count> frames_;
};

}  // namespace

EngineEntry ncnn_entry() {
    return {"ncnn",
            {"fp32", "fp16-storage", "fp16", "bf16"},
            [] { return std::string(NCNN_VERSION_STRING); },
            []() -> std::unique_ptr<EngineBackend> { return std::make_unique<NcnnBackend>(); }};
}

}  // namespace yolo_edge
