#include <pybind11/pybind11.h>

#include "register.h"
#include "yolo_edge/version.h"

PYBIND11_MODULE(_core, m) {
    m.doc() =
        "The C++ core of yolo-edge: letterbox, proposals, sort, NMS, boxes back to the source, CPU sets.";
    m.attr("__version__") = yolo_edge::version;
    yolo_edge::register_simd(m);
    yolo_edge::register_letterbox_geometry(m);  // first: the others' signatures name its class
    yolo_edge::register_letterbox(m);
    yolo_edge::register_proposals(m);
    yolo_edge::register_sort(m);
    yolo_edge::register_nms(m);
    yolo_edge::register_scale_boxes(m);
    yolo_edge::register_postprocessor(m);
    yolo_edge::register_cpu_set(m);  // before those whose signatures name its class
    yolo_edge::register_cpu_topology(m);
    yolo_edge::register_thread_affinity(m);
    m.attr("native_engines") = pybind11::dict();  // name -> version
#ifdef YOLO_EDGE_HAVE_RUNTIME
    yolo_edge::register_detector(m);
#endif
}
