#include "yolo_edge/thread_affinity.h"

#include <pybind11/pybind11.h>

#include "register.h"

namespace py = pybind11;

namespace yolo_edge {

void register_thread_affinity(py::module_& m) {
    m.def("bind_current_thread", &bind_current_thread, py::arg("cpus"),
          py::call_guard<py::gil_scoped_release>(),
          R"(Makes the calling thread run only on some CPUs, and checks that the kernel agreed.

Threads that it starts from now on inherit the binding; threads that run already do not.

Args:
    cpus: The CPUs; see `CpuTopology.select`.

Raises:
    ValueError: `cpus` is empty.
    RuntimeError: The kernel refused, or bound fewer CPUs (some are offline or outside the container's cpuset):
        the thread then has its earlier CPUs.)");
    m.def("current_thread_cpus", &current_thread_cpus, py::call_guard<py::gil_scoped_release>(),
          R"(Reads on which CPUs the kernel lets the calling thread run.

Returns:
    The CPUs.)");
    m.def("thread_cpus", &thread_cpus, py::arg("tid"), py::call_guard<py::gil_scoped_release>(),
          R"(Reads on which CPUs the kernel lets a thread run.

Args:
    tid: `threading.get_native_id()` of the thread, or a number in /proc/self/task; 0 is the calling thread.

Returns:
    The CPUs.

Raises:
    ValueError: `tid` is negative.
    RuntimeError: There is no such thread.)");
}

}  // namespace yolo_edge
