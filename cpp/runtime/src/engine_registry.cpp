#include <algorithm>

#include "argument_error.h"
#include "engine_backend.h"

namespace yolo_edge {

// To add one: a file in engines/ with an EngineBackend, its line here and in engine_backend.h.
const std::vector<EngineEntry>& engine_entries() {
    static const std::vector<EngineEntry> entries = {
#ifdef YOLO_EDGE_HAVE_NCNN
        ncnn_entry(),
#endif
#ifdef YOLO_EDGE_HAVE_OPENVINO
        openvino_entry(),
#endif
    };
    return entries;
}

std::vector<std::string> engine_names() {
    std::vector<std::string> names;
    for (const EngineEntry& entry : engine_entries()) names.emplace_back(entry.name);
    return names;
}

const EngineEntry& find_engine(const std::vector<EngineEntry>& entries, std::string_view name) {
    const auto found = std::find_if(entries.begin(), entries.end(),
                                    [name](const EngineEntry& entry) { return entry.name == name; });
    if (found != entries.end()) return *found;
    std::string known;
    for (const EngineEntry& other : entries) known += (known.empty() ? "" : ", ") + std::string(other.name);
    throw argument_error("unknown engine '", name,
                         "'; this library was built with: ", known.empty() ? "none" : known);
}

const EngineEntry& engine_entry(std::string_view name) {
    return find_engine(engine_entries(), name);
}

std::string engine_version(std::string_view name) {
    return engine_entry(name).version();
}

}  // namespace yolo_edge
