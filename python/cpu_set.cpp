#include "yolo_edge/cpu_set.h"

#include <pybind11/operators.h>
#include <pybind11/pybind11.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "register.h"

namespace py = pybind11;

namespace yolo_edge {
namespace {

/// A Python integer of any size; a value that no CPU can have becomes one that CpuSet refuses.
int cpu_number(const py::handle& item) {
    const auto integer = py::reinterpret_steal<py::object>(PyNumber_Index(item.ptr()));
    if (!integer) throw py::error_already_set();
    int overflow = 0;
    const long long value = PyLong_AsLongLongAndOverflow(integer.ptr(), &overflow);
    if (overflow != 0 || value < 0 || value >= CpuSet::limit) {
        throw std::invalid_argument("CPU number is " + std::string(py::str(integer)) + "; it must be 0.." +
                                    std::to_string(CpuSet::limit - 1));
    }
    return static_cast<int>(value);
}

CpuSet cpu_set(const py::iterable& cpus) {
    if (py::isinstance<py::str>(cpus)) return CpuSet::parse(cpus.cast<std::string>());
    if (py::isinstance<py::bytes>(cpus))
        throw py::type_error("cpus is bytes; it must be a str or whole numbers");
    std::vector<int> numbers;
    for (const py::handle& item : cpus) numbers.push_back(cpu_number(item));
    return CpuSet(numbers);
}

}  // namespace

void register_cpu_set(py::module_& m) {
    py::class_<CpuSet>(m, "CpuSet", R"(A set of CPU numbers, 0..8191; cannot be changed.

Behaves as a small set: `in`, `len`, iteration in rising order, `==`, `hash`, `<=` (is a part of), `&`, `|`, `-`;
`str` gives the list form, "0-3,6".

Args:
    cpus: Whole numbers, or text: a list of CPUs as sysfs and `taskset -c` write it ("0-3,6") or a mask ("0xf0").
        Only text that starts with 0x is a mask; its lowest bit is CPU 0. So "4" is CPU 4.

Raises:
    ValueError: Text of neither form, a number outside 0..8191.

Example:
    >>> CpuSet("0xf0")
    CpuSet('4-7')
    >>> str(CpuSet("0-3,6") - CpuSet([1]))
    '0,2-3,6')")
        .def(py::init(&cpu_set), py::arg("cpus") = py::tuple())
        .def("__contains__", &CpuSet::contains, py::arg("cpu"))
        .def(
            "__contains__", [](const CpuSet&, const py::object&) { return false; }, py::arg("cpu"))
        .def("__len__", &CpuSet::size)
        .def(
            "__iter__", [](const CpuSet& set) { return py::make_iterator(set.begin(), set.end()); },
            py::keep_alive<0, 1>())
        .def(py::self & py::self)
        .def(py::self | py::self)
        .def(py::self - py::self)
        .def(py::self == py::self)
        .def(
            "__le__", [](const CpuSet& part, const CpuSet& whole) { return whole.includes(part); },
            py::is_operator())
        .def("__hash__", [](const CpuSet& set) { return py::hash(py::str(set.to_list())); })
        .def("__str__", &CpuSet::to_list)
        .def("__repr__", [](const CpuSet& set) {
            return set.empty() ? std::string("CpuSet()") : "CpuSet('" + set.to_list() + "')";
        });
}

}  // namespace yolo_edge
