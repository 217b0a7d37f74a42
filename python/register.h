#pragma once

#include <pybind11/pybind11.h>

namespace yolo_edge {

void register_cpu_set(pybind11::module_& m);
void register_cpu_topology(pybind11::module_& m);
void register_detector(pybind11::module_& m);  // only with the native runtime
void register_letterbox(pybind11::module_& m);
void register_letterbox_geometry(pybind11::module_& m);
void register_nms(pybind11::module_& m);
void register_postprocessor(pybind11::module_& m);
void register_proposals(pybind11::module_& m);
void register_scale_boxes(pybind11::module_& m);
void register_simd(pybind11::module_& m);
void register_sort(pybind11::module_& m);
void register_thread_affinity(pybind11::module_& m);

}  // namespace yolo_edge
