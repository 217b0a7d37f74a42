#pragma once

#include <optional>
#include <string>

namespace yolo_edge::native {

/// The bundle to run: the one given, else $YOLO_EDGE_MODEL, else the only *.edge of the working folder.
/// Throws BundleError when there is none, or several.
std::string find_model(const std::optional<std::string>& given);

/// Whether the user named one, as an argument or in the environment.
bool model_is_named(const std::optional<std::string>& given);

}  // namespace yolo_edge::native
