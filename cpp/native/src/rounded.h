#pragma once

#include <string>

namespace yolo_edge::native {

/// A number with so many decimals, for people.
std::string rounded(double value, int decimals);

}  // namespace yolo_edge::native
