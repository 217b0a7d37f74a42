#include "simd.h"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <stdexcept>

#include "register.h"

namespace py = pybind11;

namespace yolo_edge {

SimdLevel simd_level(const std::optional<std::string>& name) {
    if (!name) return best_simd_level();
    std::string known;
    for (const SimdLevel level : simd_levels()) {
        if (*name == name_of(level)) return level;
        known += (known.empty() ? "'" : ", '") + std::string(name_of(level)) + "'";
    }
    throw std::invalid_argument("simd is '" + *name + "'; this machine runs " + known);
}

void register_simd(py::module_& m) {
    m.def(
        "simd_levels",
        [] {
            py::list names;
            for (const SimdLevel level : simd_levels()) names.append(py::str(std::string(name_of(level))));
            return py::tuple(names);
        },
        R"(Names the instruction sets that the kernels can use here, slowest first.

All give the same bits; only the time differs.

Returns:
    'scalar', then 'neon' or 'avx2' where the processor has it.)");
    m.def("has_half_precision_arithmetic", &has_half_precision_arithmetic,
          R"(Whether the processor computes in half precision.

Returns:
    True on ARMv8.2 with FEAT_FP16 (a Raspberry Pi 5, the big cores of an RK3588).)");
}

}  // namespace yolo_edge
