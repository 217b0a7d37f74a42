#include "yolo_edge/cpu_topology.h"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>
#include <stdexcept>
#include <string>

#include "register.h"

namespace py = pybind11;

namespace yolo_edge {
namespace {

CpuTopology read_topology(const py::object& root, const std::optional<CpuSet>& allowed) {
    const auto folder = py::module_::import("os").attr("fspath")(root).cast<std::string>();
    const py::gil_scoped_release unlocked;
    return CpuTopology::read(folder, allowed);
}

CpuSet select_cpus(const CpuTopology& topology, const std::optional<std::string>& cluster,
                   const std::optional<CpuSet>& affinity) {
    if (cluster && affinity) {
        throw std::invalid_argument("cluster is '" + *cluster + "' and affinity is " + affinity->to_list() +
                                    "; give one of them");
    }
    if (cluster) return topology.select(cpu_cluster(*cluster));
    if (affinity) return topology.select(*affinity);
    return topology.select();
}

}  // namespace

void register_cpu_topology(py::module_& m) {
    py::class_<CpuTier>(m, "CpuTier", "CPUs of about the same speed; read-only, see `CpuTopology.tiers`.")
        .def_property_readonly(
            "name", [](const CpuTier& tier) { return name_of(tier.cluster); },
            "The cluster it is: 'all', 'big', 'medium' or 'little'.")
        .def_property_readonly(
            "cpus", [](const CpuTier& tier) { return tier.cpus; }, "Its online CPUs, allowed or not.")
        .def_property_readonly(
            "capacity", [](const CpuTier& tier) { return tier.capacity; },
            "The kernel's `cpu_capacity` of its fastest CPU, at most 1024; None when not known.")
        .def_property_readonly(
            "max_frequency_khz", [](const CpuTier& tier) { return tier.max_frequency_khz; },
            "The highest frequency of its fastest CPU, kHz; None when not known.")
        .def("__repr__", [](const CpuTier& tier) {
            return py::str("CpuTier(name='{}', cpus={!r}, capacity={}, max_frequency_khz={})")
                .format(name_of(tier.cluster), tier.cpus, tier.capacity, tier.max_frequency_khz);
        });

    py::class_<CpuTopology>(m, "CpuTopology",
                            R"(The CPUs of this machine by speed, and what this process may use of them.

A picture taken once, by `CpuTopology.read`; read-only.

Example:
    >>> topology = CpuTopology.read()
    >>> cpus = topology.select()              # the big cores; all CPUs where they are alike
    >>> topology.default_threads(cpus) <= len(cpus)
    True)")
        .def_static("read", &read_topology, py::arg("root") = "/", py::kw_only(),
                    py::arg("allowed") = py::none(),
                    R"(Reads what sysfs and /proc say about the CPUs.

Speed is told by the first of these that every online CPU has and that tells CPUs apart: `cpu_capacity`; the CPU
part (known ARM parts) times the highest frequency where that is known; `cpufreq/cpuinfo_max_freq`; the core and
atom lists of hybrid x86. With none, all CPUs are alike. A new tier starts at a CPU more than 15 % below the
fastest of its tier. Two hardware threads of one core count as two CPUs. Files that are missing or garbled count
as unknown.

Args:
    root: The folder that holds sys/ and proc/; tests give a made-up one.
    allowed: The CPUs that the process may use; None asks the kernel about the calling thread, so read the
        topology before binding that thread. Limited to the online CPUs.

Returns:
    The topology.

Raises:
    RuntimeError: No CPU is both online and allowed.)")
        .def_property_readonly(
            "online", [](const CpuTopology& topology) { return topology.online(); },
            "The CPUs that are switched on.")
        .def_property_readonly(
            "allowed", [](const CpuTopology& topology) { return topology.allowed(); },
            "The online CPUs that this process may use.")
        .def_property_readonly(
            "tiers", [](const CpuTopology& topology) { return py::tuple(py::cast(topology.tiers())); },
            "Tuple of `CpuTier` by falling speed: (all,), (big, little) or (big, medium, little).")
        .def_property_readonly(
            "ranked_by", [](const CpuTopology& topology) { return topology.ranked_by(); },
            "What told the speeds: 'cpu_capacity', 'CPU part', 'cpuinfo_max_freq', 'core type' or 'nothing'.")
        .def_property_readonly(
            "quota_cpus", &CpuTopology::quota_cpus,
            R"(CPUs' worth of time that the cgroups grant this process; None when unlimited.

It says how many threads pay, not which CPUs they may use.)")
        .def("select", &select_cpus, py::kw_only(), py::arg("cluster") = py::none(),
             py::arg("affinity") = py::none(),
             R"(Picks the CPUs to run on, all of them allowed to this process. Binds nothing.

Args:
    cluster: 'all', 'big', 'medium' or 'little', of which the allowed CPUs are taken. Where all CPUs are alike
        there are 'all' and 'big', which are the same.
    affinity: Exactly these CPUs, instead of a cluster.
        With neither: the fastest tier of which the process may use a CPU; all CPUs where they are alike.

Returns:
    The CPUs, at least one.

Raises:
    ValueError: Both were given, an unknown cluster or one that this machine lacks, a cluster of which the
        process may use no CPU, an affinity that is empty or holds a CPU that is not allowed.)")
        .def("default_threads", &CpuTopology::default_threads, py::arg("cpus"),
             R"(Says how many threads to run on some CPUs: one for each, within the quota.

Args:
    cpus: The CPUs they will be bound to.

Returns:
    The smaller of the number of CPUs and the quota rounded up; at least 1.

Raises:
    ValueError: `cpus` is empty.)")
        .def("__repr__", [](const CpuTopology& topology) {
            return py::str(
                       "CpuTopology(tiers={!r}, online={!r}, allowed={!r}, quota_cpus={}, ranked_by={!r})")
                .format(py::tuple(py::cast(topology.tiers())), topology.online(), topology.allowed(),
                        topology.quota_cpus(), topology.ranked_by());
        });
}

}  // namespace yolo_edge
