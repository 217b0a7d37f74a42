#include "yolo_edge/engine.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <utility>

#include "argument_error.h"
#include "engine_backend.h"
#include "inference_thread.h"
#include "yolo_edge/thread_affinity.h"

namespace yolo_edge {
namespace {

/// What the kernels and every engine's vector instructions like; a cache line.
constexpr std::size_t alignment = 64;

struct Freed {
    void operator()(float* memory) const { std::free(memory); }
};

/// Everything in the target that this library cannot do, in one message.
void check_target(const Target& target) {
    std::string faults;
    const auto fault = [&faults](const std::string& text) { faults += (faults.empty() ? "" : "; ") + text; };
    if (target.input.dtype != "float32") fault("its input is " + target.input.dtype + ", not float32");
    for (const TargetOutput& output : target.outputs) {
        if (output.dtype != "float32")
            fault("its output " + output.name + " is " + output.dtype + ", not float32");
    }
    if (!faults.empty()) {
        throw BundleError("this version cannot run the bundle's target for engine '" + target.engine +
                          "': " + faults);
    }
}

}  // namespace

struct Engine::State {
    /// A slot, its memory and its place in the thread's queue.
    struct Place final : Slot, Task {
        State* engine = nullptr;
        std::unique_ptr<float, Freed> memory;
        std::size_t capacity = 0;  ///< Floats.
        bool used = false;

        void work() override { engine->backend->infer(*this); }
    };

    State(const Target& target, const EngineOptions& wanted)
        : entry(engine_entry(target.engine)), options(wanted), name(entry.name), thread("yolo-" + name) {}

    Place& place(Slot& slot) { return places[static_cast<std::size_t>(slot.index)]; }

    /// Runs a callable on the inference thread.
    template <typename Function>
    void call(Function function) {
        FunctionTask<Function> task(std::move(function));
        thread.call(task);
    }

    Slot* shaped(Place& found, SizeHW tensor) {
        if (found.tensor == tensor) return &found;
        try {
            const std::size_t count =
                3 * static_cast<std::size_t>(tensor.height) * static_cast<std::size_t>(tensor.width);
            if (found.capacity < count) {
                const std::size_t bytes = (count * sizeof(float) + alignment - 1) / alignment * alignment;
                found.memory.reset(static_cast<float*>(std::aligned_alloc(alignment, bytes)));
                found.capacity = found.memory == nullptr ? 0 : count;
                if (found.memory == nullptr) throw std::bad_alloc();
            }
            found.input = found.memory.get();
            found.tensor = tensor;
            backend->prepare(found);
        } catch (...) {
            found.tensor = {};
            give_back(found);
            throw;
        }
        return &found;
    }

    void give_back(Place& used_place) {
        {
            const std::lock_guard<std::mutex> lock(mutex);
            used_place.used = false;
        }
        freed.notify_all();  // close() may be waiting beside a caller
    }

    bool all_free() const {
        return std::none_of(places.begin(), places.end(), [](const Place& place) { return place.used; });
    }

    Place* free_place() {
        for (Place& candidate : places) {
            if (!candidate.used) return &candidate;
        }
        return nullptr;
    }

    const EngineEntry& entry;
    EngineOptions options;
    std::string name;
    std::unique_ptr<EngineBackend> backend;
    std::mutex mutex;  ///< Guards `used` and `closed`.
    std::condition_variable freed;
    bool closed = false;
    std::array<Place, slot_count> places;
    InferenceThread thread;  ///< Last: it ends before what it uses does.
};

Engine::Engine(const Bundle& bundle, const Target& target, const EngineOptions& options) {
    if (options.threads < 1) {
        throw argument_error("threads is ", options.threads, "; it must be at least 1");
    }
    check_target(target);
    EngineOptions chosen = options;
    chosen.precision = choose_precision(target, options.precision);
    const std::map<std::string, std::string> files = verified_files(bundle, target);

    state_ = std::make_unique<State>(target, chosen);
    for (std::size_t i = 0; i < slot_count; ++i) {
        state_->places[i].index = static_cast<int>(i);
        state_->places[i].engine = state_.get();
    }
    state_->backend = state_->entry.create();
    try {
        state_->call([&] {
            // Before loading: workers inherit the binding of the thread that starts them.
            if (chosen.cpus) bind_current_thread(*chosen.cpus);
            state_->backend->load(target, files, chosen);
        });
    } catch (...) {
        close();
        throw;
    }
}

Engine::~Engine() {
    close();
}

const std::string& Engine::name() const {
    return state_->name;
}

const std::string& Engine::precision() const {
    return state_->options.precision;
}

int Engine::threads() const {
    return state_->options.threads;
}

CpuSet Engine::bound_cpus() const {
    CpuSet cpus;
    state_->call([&cpus] { cpus = current_thread_cpus(); });
    return cpus;
}

Slot& Engine::acquire(SizeHW tensor) {
    std::unique_lock<std::mutex> lock(state_->mutex);
    State::Place* found = nullptr;
    state_->freed.wait(lock, [&] { return state_->closed || (found = state_->free_place()) != nullptr; });
    if (state_->closed) throw EngineError("the engine was closed");
    found->used = true;
    lock.unlock();
    return *state_->shaped(*found, tensor);
}

Slot* Engine::try_acquire(SizeHW tensor) {
    std::unique_lock<std::mutex> lock(state_->mutex);
    if (state_->closed) throw EngineError("the engine was closed");
    State::Place* found = state_->free_place();
    if (found == nullptr) return nullptr;
    found->used = true;
    lock.unlock();
    return state_->shaped(*found, tensor);
}

void Engine::release(Slot& slot) {
    state_->give_back(state_->place(slot));
}

void Engine::start(Slot& slot) {
    state_->thread.post(state_->place(slot));
}

Engine::Times Engine::wait(Slot& slot) {
    const State::Place& place = state_->place(slot);
    state_->thread.wait(state_->place(slot));
    return {place.started(), place.finished()};
}

Engine::Times Engine::infer(Slot& slot) {
    start(slot);
    return wait(slot);
}

void Engine::close() {
    {
        std::unique_lock<std::mutex> lock(state_->mutex);
        if (std::exchange(state_->closed, true)) return;
        state_->freed.notify_all();
        state_->freed.wait(lock, [this] { return state_->all_free(); });
    }
    state_->call([this] { state_->backend.reset(); });
    state_->thread.close();
}

}  // namespace yolo_edge
