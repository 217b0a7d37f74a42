#pragma once

#include <sstream>
#include <stdexcept>

namespace yolo_edge {

/// A std::invalid_argument whose text is the parts written one after the other.
template <typename... Parts>
std::invalid_argument argument_error(const Parts&... parts) {
    std::ostringstream text;
    (text << ... << parts);
    return std::invalid_argument(text.str());
}

}  // namespace yolo_edge
