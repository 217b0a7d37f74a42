#pragma once

#include <string>
#include <vector>

namespace yolo_edge::native {

/// Lays out rows in columns, each as wide as its widest cell; the first row is the header.
std::string format_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace yolo_edge::native
