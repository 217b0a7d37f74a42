import os
import threading

import pytest
import sysfs
from sysfs import HYBRID_X86, PHONE, QUALCOMM, RK3399, RK3588, Cpu, machine, without, write, write_cpu

from yolo_edge._core import CpuSet, CpuTopology


def read(root, allowed="0-1023"):
    return CpuTopology.read(root, allowed=CpuSet(allowed))


def tiers(topology):
    return {tier.name: str(tier.cpus) for tier in topology.tiers}


ALIKE_4 = {"all": "0-3"}
RK3399_TIERS = {"big": "4-5", "little": "0-3"}
RK3588_TIERS = {"big": "4-7", "little": "0-3"}
PHONE_TIERS = {"big": "7", "medium": "4-6", "little": "0-3"}
HYBRID_TIERS = {"big": "0-15", "little": "16-23"}


@pytest.mark.parametrize(
    ("make", "expected", "ranked_by"),
    [
        pytest.param(sysfs.raspberry_pi_4, ALIKE_4, "nothing", id="Raspberry Pi 4"),
        pytest.param(sysfs.raspberry_pi_5, ALIKE_4, "nothing", id="Raspberry Pi 5"),
        pytest.param(sysfs.rk3399, RK3399_TIERS, "cpu_capacity", id="RK3399"),
        pytest.param(sysfs.rk3588, RK3588_TIERS, "cpu_capacity", id="RK3588"),
        pytest.param(sysfs.phone, PHONE_TIERS, "cpu_capacity", id="phone"),
        pytest.param(sysfs.hybrid_x86, HYBRID_TIERS, "cpu_capacity", id="hybrid x86"),
    ],
)
def test_known_machines(tmp_path, make, expected, ranked_by):
    topology = read(make(tmp_path))
    assert tiers(topology) == expected
    assert topology.ranked_by == ranked_by
    assert topology.allowed == topology.online
    assert topology.select() == CpuSet(expected.get("big", expected.get("all")))
    assert topology.select(cluster="all") == topology.online
    for name, cpus in expected.items():
        assert topology.select(cluster=name) == CpuSet(cpus)


@pytest.mark.parametrize(
    ("cpus", "expected", "ranked_by"),
    [
        pytest.param(without(RK3399, capacity=None), RK3399_TIERS, "CPU part", id="RK3399 without capacity"),
        pytest.param(without(RK3588, capacity=None), RK3588_TIERS, "CPU part", id="RK3588 without capacity"),
        # A device tree without capacity-dmips-mhz: the kernel says 1024 of every CPU.
        pytest.param(without(RK3588, capacity=1024), RK3588_TIERS, "CPU part", id="RK3588 vendor kernel"),
        pytest.param(
            without(RK3588, capacity=None, max_khz=None), RK3588_TIERS, "CPU part", id="RK3588 parts only"
        ),
        pytest.param(
            without(RK3588, capacity=None, midr=False), RK3588_TIERS, "CPU part", id="RK3588 from cpuinfo"
        ),
        pytest.param(
            without(RK3588, capacity=None, part=None),
            {"big": "4-7", "little": "0-3"},
            "cpuinfo_max_freq",
            id="RK3588 frequencies only",
        ),
        pytest.param(without(PHONE, capacity=None), PHONE_TIERS, "CPU part", id="phone without capacity"),
        pytest.param(
            without(PHONE, capacity=None, max_khz=None), PHONE_TIERS, "CPU part", id="phone parts only"
        ),
        pytest.param(
            without(PHONE, capacity=None, part=0xFFF),
            {"big": "4-7", "little": "0-3"},  # A78 and X1 are 14.9 % apart in frequency
            "cpuinfo_max_freq",
            id="phone with unknown parts",
        ),
        pytest.param(
            [Cpu(0x803, QUALCOMM)] * 4 + [Cpu(0x802, QUALCOMM)] * 4,
            {"big": "4-7", "little": "0-3"},
            "CPU part",
            id="Kryo",
        ),
        pytest.param(
            without(HYBRID_X86, capacity=None), HYBRID_TIERS, "cpuinfo_max_freq", id="hybrid x86 by frequency"
        ),
        pytest.param(
            [Cpu(0xC07, midr=False)] * 4 + [Cpu(0xC0F, midr=False)] * 4,
            {"big": "4-7", "little": "0-3"},
            "CPU part",
            id="armv7 big.LITTLE",
        ),
        pytest.param(
            [Cpu(capacity=c) for c in (1024, 800, 600, 400, 200)],
            {"big": "0", "medium": "1-3", "little": "4"},
            "cpu_capacity",
            id="five tiers are three clusters",
        ),
        pytest.param(
            [Cpu(capacity=c) for c in (1000, 850, 849)],
            {"big": "0-1", "little": "2"},
            "cpu_capacity",
            id="exactly 15 % below",
        ),
        # Each is within 15 % of its neighbour; what counts is the fastest of the tier.
        pytest.param(
            [Cpu(capacity=c) for c in (1000, 900, 800, 720)],
            {"big": "0-1", "little": "2-3"},
            "cpu_capacity",
            id="no chains",
        ),
        pytest.param(
            [Cpu(capacity=c) for c in (1000, 900)], {"all": "0-1"}, "cpu_capacity", id="nearly alike"
        ),
        pytest.param([Cpu()], {"all": "0"}, "nothing", id="one CPU"),
        pytest.param([Cpu()] * 256, {"all": "0-255"}, "nothing", id="256 CPUs"),
        pytest.param(
            [Cpu(capacity=1024)] * 100 + [Cpu(capacity=500)] * 28,
            {"big": "0-99", "little": "100-127"},
            "cpu_capacity",
            id="128 CPUs of two kinds",
        ),
    ],
)
def test_ranking(tmp_path, cpus, expected, ranked_by):
    topology = read(machine(tmp_path, cpus))
    assert tiers(topology) == expected
    assert topology.ranked_by == ranked_by


def test_a_source_that_misses_a_cpu_is_passed_over(tmp_path):
    machine(tmp_path, RK3588)
    (tmp_path / "sys/devices/system/cpu/cpu5/cpu_capacity").unlink()
    assert read(tmp_path).ranked_by == "CPU part"
    (tmp_path / "sys/devices/system/cpu/cpu5/regs/identification/midr_el1").write_text("garbage\n")
    assert read(tmp_path).ranked_by == "CPU part"  # the part of CPU 5 stands in cpuinfo too
    (tmp_path / "proc/cpuinfo").unlink()
    assert read(tmp_path).ranked_by == "cpuinfo_max_freq"
    (tmp_path / "sys/devices/system/cpu/cpu5/cpufreq/cpuinfo_max_freq").write_text("fast\n")
    topology = read(tmp_path)
    assert topology.ranked_by == "nothing"
    assert tiers(topology) == {"all": "0-7"}


def test_hybrid_x86_by_core_type(tmp_path):
    machine(tmp_path, [Cpu()] * 24)
    write(tmp_path, "sys/devices/cpu_core/cpus", "0-15\n")
    assert read(tmp_path).ranked_by == "nothing"  # CPUs 16-23 are of no known type
    write(tmp_path, "sys/devices/cpu_atom/cpus", "16-23\n")
    topology = read(tmp_path)
    assert tiers(topology) == HYBRID_TIERS
    assert topology.ranked_by == "core type"
    assert topology.tiers[0].capacity is None


def test_offline_cpus(tmp_path):
    machine(tmp_path, RK3588, online="0-4,7")
    topology = read(tmp_path, "0-7")
    assert str(topology.online) == "0-4,7"
    assert tiers(topology) == {"big": "4,7", "little": "0-3"}
    with pytest.raises(ValueError, match=r"affinity is 4-5; of the online CPUs 0-4,7 .* 0-4,7 .*, so not 5$"):
        topology.select(affinity=CpuSet("4-5"))


def test_all_big_cores_offline(tmp_path):
    topology = read(machine(tmp_path, RK3588, online="0-3"))
    assert tiers(topology) == {"all": "0-3"}
    assert topology.select() == CpuSet("0-3")


def test_tiers_know_their_speed(tmp_path):
    big, little = read(sysfs.rk3588(tmp_path)).tiers
    assert (big.capacity, big.max_frequency_khz) == (1024, 2_400_000)
    assert (little.capacity, little.max_frequency_khz) == (397, 1_800_000)
    assert (
        repr(little) == "CpuTier(name='little', cpus=CpuSet('0-3'), capacity=397, max_frequency_khz=1800000)"
    )


def test_allowed_cpus_narrow_every_choice(tmp_path):
    topology = read(sysfs.phone(tmp_path), "2-4,6")
    assert topology.select() == CpuSet("4,6")  # the big core is not allowed: the fastest tier that is
    assert topology.select(cluster="all") == CpuSet("2-4,6")
    assert topology.select(cluster="little") == CpuSet("2-3")
    assert topology.select(affinity=CpuSet("0x40")) == CpuSet([6])
    assert tiers(topology) == PHONE_TIERS
    assert topology.allowed == CpuSet("2-4,6")


@pytest.mark.parametrize(
    ("make", "allowed", "request_", "message"),
    [
        pytest.param(
            sysfs.raspberry_pi_4,
            "0-3",
            {"cluster": "little"},
            r"cluster is 'little'; this machine has all \(CPUs 0-3\), big \(CPUs 0-3\)$",
            id="alike",
        ),
        pytest.param(
            sysfs.rk3399,
            "0-5",
            {"cluster": "medium"},
            r"cluster is 'medium'; this machine has all \(CPUs 0-5\), big \(CPUs 4-5\), little \(CPUs 0-3\)$",
            id="two tiers",
        ),
        pytest.param(
            sysfs.rk3399,
            "0-3",
            {"cluster": "big"},
            r"cluster is 'big', CPUs 4-5, of which this process may use none; it may use 0-3 \(set by",
            id="not allowed",
        ),
        pytest.param(
            sysfs.rk3399,
            "0-5",
            {"cluster": "huge"},
            "cluster is 'huge'; it must be 'all', 'big', 'medium' or 'little'",
            id="unknown",
        ),
        pytest.param(
            sysfs.rk3399,
            "0-3",
            {"affinity": CpuSet("3-4,9")},
            "affinity is 3-4,9; of the online CPUs 0-5 this process may use 0-3 .*, so not 4,9",
            id="affinity outside",
        ),
        pytest.param(
            sysfs.rk3399,
            "0-3",
            {"affinity": CpuSet()},
            "affinity holds no CPU; this process may use 0-3",
            id="empty affinity",
        ),
        pytest.param(
            sysfs.rk3399,
            "0-5",
            {"affinity": CpuSet("0"), "cluster": "big"},
            "cluster is 'big' and affinity is 0; give one of them",
            id="both",
        ),
    ],
)
def test_refused(tmp_path, make, allowed, request_, message):
    with pytest.raises(ValueError, match=message):
        read(make(tmp_path), allowed).select(**request_)


@pytest.mark.parametrize(
    ("cpu_max", "quota", "threads"),
    [
        pytest.param("150000 100000", 1.5, 2, id="one and a half"),
        pytest.param("300000 100000", 3.0, 3, id="three"),
        pytest.param("10000 100000", 0.1, 1, id="a tenth"),
        pytest.param("1600000 100000", 16.0, 4, id="more than CPUs"),
        pytest.param("max 100000", None, 4, id="unlimited"),
        pytest.param("max", None, 4, id="unlimited, no period"),
        pytest.param("", None, 4, id="empty"),
        pytest.param("lots 100000", None, 4, id="garbage"),
        pytest.param("100000 0", None, 4, id="no period"),
        pytest.param("100000", None, 4, id="period missing"),
    ],
)
def test_quota_v2(tmp_path, cpu_max, quota, threads):
    sysfs.raspberry_pi_5(tmp_path)
    sysfs.cgroup_v2(tmp_path, cpu_max)
    topology = read(tmp_path)
    assert topology.quota_cpus == quota
    assert topology.select() == CpuSet("0-3")  # a quota says how much, not where
    assert topology.default_threads(topology.select()) == threads
    assert topology.default_threads(CpuSet([2])) == 1


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        pytest.param("/user.slice/job.scope", "/user.slice/job.scope", id="its own"),
        pytest.param("/user.slice/job.scope", "/user.slice", id="its parent's"),
        pytest.param("/user.slice/job.scope", "/", id="the mount's"),
        pytest.param("/docker/0123abc", "/", id="a path of the host"),
        pytest.param("/../other", "/", id="outside the namespace"),
        pytest.param("/a/", "/a", id="slash at the end"),
    ],
)
def test_quota_v2_is_found_on_the_way_up(tmp_path, path, folder):
    sysfs.raspberry_pi_5(tmp_path)
    sysfs.cgroup_v2(tmp_path, "200000 100000", path=path, folder=folder)
    assert read(tmp_path).quota_cpus == 2.0


def test_the_smallest_quota_counts(tmp_path):
    sysfs.raspberry_pi_5(tmp_path)
    sysfs.cgroup_v2(tmp_path, "300000 100000", path="/a/b")
    write(tmp_path, "sys/fs/cgroup/a/cpu.max", "50000 50000\n")
    write(tmp_path, "sys/fs/cgroup/elsewhere/cpu.max", "1000 100000\n")
    assert read(tmp_path).quota_cpus == 1.0


@pytest.mark.parametrize("mount", ["cpu,cpuacct", "cpu"])
@pytest.mark.parametrize(
    ("quota_us", "period_us", "quota"),
    [
        pytest.param(250_000, 100_000, 2.5, id="limited"),
        pytest.param(-1, 100_000, None, id="unlimited"),
        pytest.param(100_000, 0, None, id="no period"),
    ],
)
@pytest.mark.parametrize("path", ["/", "/docker/0123abc"])
def test_quota_v1(tmp_path, mount, quota_us, period_us, quota, path):
    sysfs.raspberry_pi_5(tmp_path)
    sysfs.cgroup_v1(tmp_path, quota_us, period_us, path=path, mount=mount)
    topology = read(tmp_path)
    assert topology.quota_cpus == quota
    assert topology.default_threads(CpuSet("0-3")) == (3 if quota else 4)


def test_quota_without_proc(tmp_path):
    write(tmp_path, "sys/fs/cgroup/cpu.max", "100000 100000\n")
    assert read(tmp_path, "0-3").quota_cpus == 1.0


def test_an_empty_root_says_nothing(tmp_path):
    for root in (tmp_path, str(tmp_path), tmp_path / "missing"):
        topology = read(root, "0-2")
        assert topology.online == topology.allowed == CpuSet("0-2")
        assert tiers(topology) == {"all": "0-2"}
        assert topology.quota_cpus is None


def test_no_cpu_left(tmp_path):
    machine(tmp_path, RK3588, online="4-7")
    with pytest.raises(RuntimeError, match="no CPU is left to run on: allowed are '0-3', online are '4-7'"):
        read(tmp_path, "0-3")


@pytest.mark.parametrize(
    "garbage", ["", "\n", "-5", "0", "x", "1 x", "9" * 40, "0-99999999999", b"\xff\x00\xfe"]
)
def test_garbage_counts_as_missing(tmp_path, garbage):
    machine(tmp_path, without(RK3588, capacity=None))
    for number in range(8):
        for name in ("cpu_capacity", "cpufreq/cpuinfo_max_freq", "regs/identification/midr_el1"):
            write(tmp_path, f"sys/devices/system/cpu/cpu{number}/{name}", garbage)
    for name in ("proc/cpuinfo", "proc/self/cgroup", "sys/fs/cgroup/cpu.max", "sys/devices/cpu_core/cpus"):
        write(tmp_path, name, garbage)
    topology = read(tmp_path)
    assert tiers(topology) == {"all": "0-7"}
    assert topology.ranked_by == "nothing"
    assert topology.quota_cpus is None


def test_garbage_in_the_list_of_online_cpus(tmp_path):
    machine(tmp_path, RK3588, online="0-7")
    write(tmp_path, "sys/devices/system/cpu/online", "0-99999999999\n")
    assert read(tmp_path, "0-5").online == CpuSet("0-5")


def test_numbers_of_absurd_size_do_no_harm(tmp_path):
    machine(tmp_path, [Cpu()] * 2)
    write_cpu(tmp_path, 0, "cpu_capacity", 10**9)
    write_cpu(tmp_path, 1, "cpu_capacity", 1)
    assert tiers(read(tmp_path)) == {"big": "0", "little": "1"}


def test_this_machine():
    topology = CpuTopology.read()
    assert set(topology.allowed) == os.sched_getaffinity(0)
    assert topology.select(cluster="all") == topology.allowed
    assert topology.select() <= topology.allowed
    assert 1 <= topology.default_threads(topology.select()) <= os.cpu_count()


def test_allowed_is_what_the_calling_thread_may_use():
    one = min(os.sched_getaffinity(0))
    seen = []

    def work():
        os.sched_setaffinity(0, {one})
        seen.append(CpuTopology.read().allowed)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [CpuSet([one])]


def test_is_read_only_and_printable(tmp_path):
    topology = read(sysfs.raspberry_pi_4(tmp_path))
    for name in ("online", "allowed", "tiers", "quota_cpus", "ranked_by"):
        with pytest.raises(AttributeError):
            setattr(topology, name, None)
    with pytest.raises(TypeError, match="No constructor defined"):
        CpuTopology()
    assert repr(topology) == (
        f"CpuTopology(tiers={topology.tiers!r}, online=CpuSet('0-3'), allowed=CpuSet('0-3'), "
        "quota_cpus=None, ranked_by='nothing')"
    )
