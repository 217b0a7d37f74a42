#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "yolo_edge/cpu_set.h"

namespace yolo_edge {

/// The number that `text` consists of; nothing for anything else.
std::optional<std::int64_t> number_in(std::string_view text, int base = 10);

/// Small text files below a root: "/" or a made-up tree. What is missing or garbled reads as nothing.
class SystemFiles {
  public:
    explicit SystemFiles(std::string root) : root_(std::move(root)) {}

    std::vector<std::string> lines(const std::string& path) const;
    /// The first line, without the blanks around it.
    std::optional<std::string> line(const std::string& path) const;
    /// A whole number above 0 that leaves room for arithmetic; nothing else in the file.
    std::optional<std::int64_t> positive(const std::string& path) const;
    std::optional<CpuSet> cpus(const std::string& path) const;

  private:
    std::string root_;
};

}  // namespace yolo_edge
