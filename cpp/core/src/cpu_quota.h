#pragma once

#include <optional>

#include "system_files.h"

namespace yolo_edge {

/// The smallest CPU limit on the way from this process's cgroups to their roots, in CPUs; nothing: no limit.
std::optional<double> cpu_quota(const SystemFiles& files);

}  // namespace yolo_edge
