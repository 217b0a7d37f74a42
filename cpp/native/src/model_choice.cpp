#include "model_choice.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "file_names.h"
#include "yolo_edge/errors.h"

namespace yolo_edge::native {
namespace {

constexpr char variable[] = "YOLO_EDGE_MODEL";

std::string from_environment() {
    const char* named = std::getenv(variable);
    return named == nullptr ? "" : named;
}

}  // namespace

std::string find_model(const std::optional<std::string>& given) {
    if (given && !given->empty()) return normal_path(*given);
    if (const std::string named = from_environment(); !named.empty()) return normal_path(named);
    std::vector<std::string> found;
    std::error_code error;
    for (std::filesystem::directory_iterator entry(".", error), end; !error && entry != end;
         entry.increment(error)) {
        std::error_code unknown;
        if (entry->path().extension() == ".edge" && entry->is_directory(unknown)) {
            found.push_back(entry->path().filename().string());
        }
    }
    if (found.size() == 1) return found[0];
    if (found.empty()) {
        throw BundleError(
            std::string("no model: give --model NAME.edge, set ") + variable +
            ", or work in a folder that holds one bundle (yolo-export --to ncnn best.pt makes one)");
    }
    std::sort(found.begin(), found.end());
    std::string names;
    for (const std::string& name : found) names += (names.empty() ? "" : ", ") + name;
    throw BundleError("there are several bundles here: " + names + "; choose one with --model");
}

bool model_is_named(const std::optional<std::string>& given) {
    return (given && !given->empty()) || !from_environment().empty();
}

}  // namespace yolo_edge::native
