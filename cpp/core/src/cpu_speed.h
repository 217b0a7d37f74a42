#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "system_files.h"
#include "yolo_edge/cpu_set.h"

namespace yolo_edge {

/// What the kernel says about one CPU, and how fast that makes it next to the others.
struct CpuSpeed {
    std::int64_t score = 0;  ///< Comparable within one machine only; up to 1e13.
    std::optional<std::int64_t> capacity;
    std::optional<std::int64_t> max_frequency_khz;
};

struct CpuSpeeds {
    std::map<int, CpuSpeed> by_cpu;
    std::string ranked_by;  ///< See CpuTopology::ranked_by.
};

/// The speeds of `cpus`, by the first source that knows all of them and tells them apart.
CpuSpeeds read_cpu_speeds(const SystemFiles& files, const CpuSet& cpus);

}  // namespace yolo_edge
