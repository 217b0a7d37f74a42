#include "yolo_edge/detect_options.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include "argument_error.h"
#include "trimmed.h"

namespace yolo_edge {
namespace {

std::optional<int> class_id(std::string_view entry, const std::vector<std::string>& names) {
    // A name first: classes may be called "7".
    const auto name = std::find(names.begin(), names.end(), entry);
    if (name != names.end()) return static_cast<int>(name - names.begin());
    const std::string_view digits = trimmed(entry);
    std::size_t id = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
    if (error != std::errc{} || end != digits.data() + digits.size() || id >= names.size()) {
        return std::nullopt;
    }
    return static_cast<int>(id);
}

}  // namespace

std::vector<int> resolve_classes(const std::vector<std::string>& classes,
                                 const std::vector<std::string>& names) {
    std::vector<int> ids;
    std::string unknown;
    for (const std::string& entry : classes) {
        if (const std::optional<int> id = class_id(entry, names)) {
            ids.push_back(*id);
        } else {
            unknown += (unknown.empty() ? "" : ", ") + entry;
        }
    }
    if (ids.size() != classes.size()) {
        std::string known;
        for (std::size_t i = 0; i < names.size(); ++i) {
            known += (i == 0 ? "" : ", ") + std::to_string(i) + " " + names[i];
        }
        throw argument_error("the model has no class ", unknown, "; it has: ", known);
    }
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    return ids;
}

}  // namespace yolo_edge
