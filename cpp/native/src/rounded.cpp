#include "rounded.h"

#include <array>
#include <cstdio>

namespace yolo_edge::native {

std::string rounded(double value, int decimals) {
    std::array<char, 400> text{};  // the largest double has 309 digits
    std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
    return text.data();
}

}  // namespace yolo_edge::native
