// The core alone: no engine, no bundle.

#include <yolo_edge/cpu_topology.h>
#include <yolo_edge/letterbox_geometry.h>

#include <cstdio>

int main() {
    yolo_edge::LetterboxOptions options;
    options.size = {640, 640};
    const yolo_edge::LetterboxGeometry geometry = yolo_edge::letterbox_geometry({1080, 1920}, options);
    std::printf("%dx%d on %zu CPUs\n", geometry.tensor.height, geometry.tensor.width,
                yolo_edge::CpuTopology::read().allowed().size());
}
