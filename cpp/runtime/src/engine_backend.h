#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "yolo_edge/bundle.h"
#include "yolo_edge/engine.h"

namespace yolo_edge {

/// Engine::acquire hands out this many slots.
constexpr std::size_t slot_count = 2;

/// What one engine's library has to do; Engine does the rest. Every call is on the inference thread, but for
/// prepare().
class EngineBackend {
  public:
    virtual ~EngineBackend() = default;

    /// Loads the files, by role. `options.precision` is one of those the engine has, not "auto".
    virtual void load(const Target& target, const std::map<std::string, std::string>& files,
                      const EngineOptions& options) = 0;
    /// The slot's input has another address or size; called by the thread that acquired it.
    virtual void prepare(Slot& slot) = 0;
    /// Computes `slot.outputs`, in the order of the target's outputs; they stay valid until this slot's next
    /// inference.
    virtual void infer(Slot& slot) = 0;
};

/// One line of the registry.
struct EngineEntry {
    std::string_view name;
    std::vector<std::string_view> precisions;  ///< Kinds of arithmetic it has.
    std::string (*version)();
    std::unique_ptr<EngineBackend> (*create)();
};

/// The engines compiled in, the usually fastest on this machine first.
const std::vector<EngineEntry>& engine_entries();

/// Throws std::invalid_argument that lists the known ones.
const EngineEntry& find_engine(const std::vector<EngineEntry>& entries, std::string_view name);
/// The same among those compiled in.
const EngineEntry& engine_entry(std::string_view name);

#ifdef YOLO_EDGE_HAVE_NCNN
EngineEntry ncnn_entry();
#endif
#ifdef YOLO_EDGE_HAVE_OPENVINO
EngineEntry openvino_entry();
#endif

}  // namespace yolo_edge
