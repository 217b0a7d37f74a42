#include "yolo_edge/normalization.h"

#include <cmath>

#include "argument_error.h"

namespace yolo_edge {

NormalizationTable normalization_table(double mean, double scale) {
    NormalizationTable table;
    for (int x = 0; x < 256; ++x) {
        const float value = static_cast<float>((x - mean) * scale);
        if (!std::isfinite(value)) {
            throw argument_error("mean ", mean, " and scale ", scale, " turn grey level ", x, " into ", value,
                                 "; every normalised value must be finite");
        }
        table[static_cast<std::size_t>(x)] = value;
    }
    return table;
}

}  // namespace yolo_edge
