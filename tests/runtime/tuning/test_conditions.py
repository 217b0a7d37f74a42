from __future__ import annotations

from pathlib import Path

import pytest
import sysfs

from yolo_edge.tuning.conditions import Conditions, EnergyMeter, Reading, Sensors

FIRMWARE = "sys/devices/platform/soc/soc:firmware/get_throttled"


def board(root: Path, *, temperatures: tuple[int, ...] = (52_000,), khz: int = 2_400_000) -> Path:
    for zone, value in enumerate(temperatures):
        sysfs.write(root, f"sys/class/thermal/thermal_zone{zone}/temp", f"{value}\n")
    for cpu in range(4):
        sysfs.write_cpu(root, cpu, "cpufreq/scaling_cur_freq", khz if cpu < 3 else 600_000)
    return root


def test_a_machine_without_sensors(tmp_path: Path) -> None:
    assert Sensors(tmp_path).read() == Reading(None, {}, None)
    conditions = Conditions(Sensors(tmp_path))
    conditions.load_before = 0.0
    conditions.look([0, 1])
    conditions.end_of_block([0, 1])
    assert conditions.notes() == []
    assert not conditions.throttled


def test_what_is_read(tmp_path: Path) -> None:
    sysfs.write(board(tmp_path, temperatures=(41_000, 67_500)), FIRMWARE, "50005\n")
    sysfs.write(tmp_path, "sys/class/thermal/thermal_zone2/temp", "")  # some zones read as nothing
    expected = Reading(67.5, {0: 2_400_000, 1: 2_400_000, 2: 2_400_000, 3: 600_000}, 0x50005)
    assert Sensors(tmp_path).read() == expected


@pytest.mark.parametrize(
    ("later_khz", "busy", "throttled"),
    [
        pytest.param(2_400_000, [0, 1], False, id="steady"),
        pytest.param(2_300_000, [0, 1], False, id="a little"),
        pytest.param(1_500_000, [0, 1], True, id="throttled"),
        pytest.param(1_500_000, [3], False, id="other CPUs were busy"),
    ],
)
def test_throttling_by_frequency(tmp_path: Path, later_khz: int, busy: list[int], throttled: bool) -> None:
    conditions = Conditions(Sensors(board(tmp_path)))
    conditions.look(busy)
    conditions.end_of_block(busy)
    board(tmp_path, temperatures=(85_200,), khz=later_khz)
    conditions.look(busy)
    conditions.end_of_block(busy)
    assert conditions.throttled == throttled
    notes = "\n".join(conditions.notes())
    assert "temperature 52 to 85 C" in notes
    assert ("the frequency fell to 62% of the highest seen" in notes) == throttled
    assert conditions.as_dict()["throttled"] == throttled


def test_one_set_of_cpus_is_not_held_against_another(tmp_path: Path) -> None:
    conditions = Conditions(Sensors(board(tmp_path)))
    for busy in ([0, 1, 2], [3]):  # the little core is slower by nature
        conditions.look(busy)
        conditions.end_of_block(busy)
    assert not conditions.throttled


@pytest.mark.parametrize(
    ("bits", "throttled", "note"),
    [
        pytest.param("0", False, "", id="well"),
        pytest.param("50000", False, "", id="some time before"),
        pytest.param("4", True, "warning: the firmware throttles", id="throttles"),
        pytest.param("0x1", True, "warning: the supply voltage is too low", id="weak supply"),
        pytest.param("8", True, "warning: the soft temperature limit is reached", id="hot"),
    ],
)
def test_a_raspberry_pi_tells(tmp_path: Path, bits: str, throttled: bool, note: str) -> None:
    sysfs.write(tmp_path, FIRMWARE, f"{bits}\n")
    conditions = Conditions(Sensors(tmp_path))
    conditions.load_before = 0.0
    conditions.look([0])
    assert conditions.throttled == throttled
    assert conditions.notes() == ([note] if note else [])


def test_other_programs_are_noted(tmp_path: Path) -> None:
    conditions = Conditions(Sensors(tmp_path))
    conditions.load_before = 99.0
    assert conditions.notes()[0].startswith("warning: other programs were running: load 99.0 on ")


def test_energy(tmp_path: Path) -> None:
    assert not EnergyMeter(tmp_path).available
    folder = "sys/class/powercap/intel-rapl:0"
    sysfs.write(tmp_path, f"{folder}/name", "package-0\n")
    assert not EnergyMeter(tmp_path).available, "a counter that only root may read"
    sysfs.write(tmp_path, f"{folder}/energy_uj", "2000000\n")
    sysfs.write(tmp_path, f"{folder}/max_energy_range_uj", "5000000\n")
    sysfs.write(tmp_path, "sys/class/powercap/intel-rapl:1/name", "psys\n")
    sysfs.write(tmp_path, "sys/class/powercap/intel-rapl:1/energy_uj", "7\n")
    meter = EnergyMeter(tmp_path)
    before = meter.read()
    assert (meter.available, before) == (True, [2_000_000])
    sysfs.write(tmp_path, f"{folder}/energy_uj", "3500000\n")
    assert meter.joules_since(before) == 1.5
    sysfs.write(tmp_path, f"{folder}/energy_uj", "1000000\n")
    assert meter.joules_since(before) == 4.0, "the counter began again"
