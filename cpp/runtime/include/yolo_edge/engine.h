#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "yolo_edge/bundle.h"
#include "yolo_edge/cpu_set.h"
#include "yolo_edge/errors.h"
#include "yolo_edge/output_proposals.h"

namespace yolo_edge {

/// How an engine runs.
struct EngineOptions {
    int threads = 1;                 ///< Threads that compute one inference.
    std::optional<CpuSet> cpus;      ///< Its threads are bound to these; nothing binds nothing.
    std::string precision = "auto";  ///< Arithmetic, see choose_precision.
};

/// The arithmetic that `wanted` means for a target in an engine on this machine.
///
/// "fp32" is float32 everywhere, whatever the CPU offers. "fp16-storage" keeps weights and blobs in half
/// precision and computes in float32, "fp16" computes in half precision too, "bf16" stores bfloat16, "int8"
/// runs a target with int8 weights, "int8-weights" one whose weights alone have 8 bits, in float32. "auto" is
/// fp16-storage where the engine has it, the CPU has half-precision arithmetic and the target was verified in
/// it, else fp32: half-precision arithmetic moves scores by up to 0.3, so nobody gets it unasked, and nobody
/// gets 8-bit weights unasked.
///
/// Throws std::invalid_argument for an unknown name or one that the engine does not have, BundleError for
/// one in which the target was not verified.
std::string choose_precision(const Target& target, std::string_view wanted);

/// An input buffer and the outputs computed from it, see Engine::acquire.
struct Slot {
    int index = 0;           ///< 0 or 1: for working memory that belongs to a slot.
    SizeHW tensor;           ///< Height and width of the input.
    float* input = nullptr;  ///< 3 x height x width floats; written by the caller before start().
    /// One per head in the bundle's order, or the one that holds all; valid from wait() to release().
    std::vector<OutputView> outputs;
};

/// A loaded model. May be used from several threads; calls queue.
///
/// It owns one inference thread: that thread is bound to the CPU set, then the model is loaded on it and
/// every inference runs on it, so that the workers which an engine starts belong to it and inherit its CPUs.
/// The caller's thread is never rebound. There are two slots, so that one caller may write the next frame
/// while another frame is being computed.
class Engine {
  public:
    /// Loads a target's files. Throws std::invalid_argument for a bad option, BundleError for files that are
    /// not what the bundle says or a target that needs what this library cannot do, EngineError when the
    /// engine refuses the model.
    Engine(const Bundle& bundle, const Target& target, const EngineOptions& options);
    ~Engine();  ///< As close().
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    const std::string& name() const;       ///< As bundles and the command line call it.
    const std::string& precision() const;  ///< What "auto" became.
    int threads() const;
    CpuSet bound_cpus() const;  ///< Of the inference thread, as the kernel says.

    /// Waits for a free slot and gives its input this size.
    Slot& acquire(SizeHW tensor);
    /// A free slot, or nullptr when there is none now. Who holds a slot and wants another has to ask this
    /// way: two callers that hold one each and wait for a second would wait for ever.
    Slot* try_acquire(SizeHW tensor);
    /// Gives the slot back; its outputs may not be used any more.
    void release(Slot& slot);

    /// When an inference was begun and done.
    struct Times {
        std::chrono::steady_clock::time_point started;
        std::chrono::steady_clock::time_point finished;
    };
    /// Posts an inference to the engine's thread; wait() must follow before release().
    void start(Slot& slot);
    /// Waits for what start() posted. Throws EngineError when it failed.
    Times wait(Slot& slot);
    /// Both.
    Times infer(Slot& slot);

    /// Waits until every slot was given back, ends the thread and frees the model; may be called twice.
    /// Whoever comes after gets an EngineError.
    void close();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

/// The engines compiled into this library, the one that is usually fastest on this machine first.
std::vector<std::string> engine_names();

/// The version of an engine that is compiled in. Throws std::invalid_argument for another.
std::string engine_version(std::string_view name);

}  // namespace yolo_edge
