"""Made-up sysfs, /proc and cgroup trees of real machines, for `_core.CpuTopology.read(root)`.

>>> rk3588(tmp_path)                      # a machine
>>> cgroup_v2(tmp_path, "150000 100000")  # in a container
>>> CpuTopology.read(tmp_path, allowed=CpuSet("0-7"))
"""

from dataclasses import dataclass, replace
from pathlib import Path

ARM, QUALCOMM = 0x41, 0x51
A53, A55, A72, A76, A78, X1 = 0xD03, 0xD05, 0xD08, 0xD0B, 0xD41, 0xD44


@dataclass(frozen=True)
class Cpu:
    """What the kernel says about one CPU; None: the file is missing."""

    part: "int | None" = None
    implementer: int = ARM
    max_khz: "int | None" = None
    capacity: "int | None" = None
    midr: bool = True  # sysfs has the file midr_el1; old kernels do not


def write(root, path, text):
    """Writes one file below ``root``."""
    file = Path(root) / path
    file.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(text, bytes):
        file.write_bytes(text)
    else:
        file.write_text(text)


def write_cpu(root, number, path, text):
    """Writes one file of a CPU's folder."""
    write(root, f"sys/devices/system/cpu/cpu{number}/{path}", f"{text}\n")


def machine(root, cpus, *, online=None):
    """Writes a machine; ``online`` is a list text where not all CPUs are, and the others lose their files."""
    last = len(cpus) - 1
    write(root, "sys/devices/system/cpu/online", f"{online or (f'0-{last}' if last else '0')}\n")
    write(root, "sys/devices/system/cpu/possible", f"0-{last}\n")
    cpuinfo = []
    for number, cpu in enumerate(cpus):
        if online is not None and str(number) not in _numbers(online):
            write_cpu(root, number, "online", 0)
            continue
        if cpu.capacity is not None:
            write_cpu(root, number, "cpu_capacity", cpu.capacity)
        if cpu.max_khz is not None:
            write_cpu(root, number, "cpufreq/cpuinfo_max_freq", cpu.max_khz)
        if cpu.part is not None:
            if cpu.midr:
                midr = cpu.implementer << 24 | 0xF << 16 | cpu.part << 4 | 0x1
                write_cpu(root, number, "regs/identification/midr_el1", f"0x{midr:016x}")
            cpuinfo.append(
                f"processor\t: {number}\nBogoMIPS\t: 48.00\nFeatures\t: fp asimd\n"
                f"CPU implementer\t: 0x{cpu.implementer:02x}\nCPU architecture: 8\nCPU variant\t: 0x0\n"
                f"CPU part\t: 0x{cpu.part:03x}\nCPU revision\t: 4\n"
            )
        else:
            cpuinfo.append(f"processor\t: {number}\nvendor_id\t: GenuineIntel\ncpu MHz\t\t: 800.000\n")
    write(root, "proc/cpuinfo", "\n".join(cpuinfo) + "\n")
    return root


def _numbers(list_text):
    for item in list_text.split(","):
        first, _, last = item.partition("-")
        yield from map(str, range(int(first), int(last or first) + 1))


def raspberry_pi_4(root):
    return machine(root, [Cpu(A72, max_khz=1_800_000, capacity=1024)] * 4)


def raspberry_pi_5(root):
    return machine(root, [Cpu(A76, max_khz=2_400_000, capacity=1024)] * 4)


RK3399 = [Cpu(A53, max_khz=1_416_000, capacity=381)] * 4 + [Cpu(A72, max_khz=1_800_000, capacity=1024)] * 2
RK3588 = (
    [Cpu(A55, max_khz=1_800_000, capacity=397)] * 4
    + [Cpu(A76, max_khz=2_304_000, capacity=983)] * 2
    + [Cpu(A76, max_khz=2_400_000, capacity=1024)] * 2
)
PHONE = (  # Snapdragon 888: one X1, three A78, four A55, numbered from the slowest
    [Cpu(A55, max_khz=1_804_800, capacity=325)] * 4
    + [Cpu(A78, max_khz=2_419_200, capacity=760)] * 3
    + [Cpu(X1, max_khz=2_841_600, capacity=1024)]
)
# Core i9-12900: 8 P cores with two threads each, two of which boost higher; 8 E cores.
HYBRID_X86 = (
    [Cpu(max_khz=5_000_000, capacity=1004)] * 8
    + [Cpu(max_khz=5_100_000, capacity=1024)] * 4
    + [Cpu(max_khz=5_000_000, capacity=1004)] * 4
    + [Cpu(max_khz=3_800_000, capacity=620)] * 8
)


def rk3399(root):
    return machine(root, RK3399)


def rk3588(root):
    return machine(root, RK3588)


def phone(root):
    return machine(root, PHONE)


def hybrid_x86(root):
    machine(root, HYBRID_X86)
    write(root, "sys/devices/cpu_core/cpus", "0-15\n")
    write(root, "sys/devices/cpu_atom/cpus", "16-23\n")
    return root


def without(cpus, **fields):
    """The same CPUs with some fields changed, for example ``capacity=None``."""
    return [replace(cpu, **fields) for cpu in cpus]


def cgroup_v2(root, cpu_max, *, path="/", folder=None):
    """Puts this process in the cgroup ``path``, and writes ``cpu.max`` in ``folder`` (default: the same)."""
    write(root, "proc/self/cgroup", f"0::{path}\n")
    write(root, f"sys/fs/cgroup/{folder if folder is not None else path}/cpu.max", f"{cpu_max}\n")


def cgroup_v1(root, quota_us, period_us, *, path="/", mount="cpu,cpuacct"):
    """The same for version 1, where one hierarchy of several limits CPU time."""
    write(
        root,
        "proc/self/cgroup",
        f"12:cpuset:{path}\n4:cpu,cpuacct:{path}\n3:cpuacct:/elsewhere\n1:name=systemd:/x\n0::/\n",
    )
    write(root, f"sys/fs/cgroup/{mount}/{path}/cpu.cfs_quota_us", f"{quota_us}\n")
    write(root, f"sys/fs/cgroup/{mount}/{path}/cpu.cfs_period_us", f"{period_us}\n")
