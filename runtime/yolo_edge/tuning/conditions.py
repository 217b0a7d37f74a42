"""What the machine goes through while it is measured: heat, frequency, throttling, energy, other load."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_FIRMWARE = "sys/devices/platform/soc/soc:firmware/get_throttled"
"""The Raspberry Pi's state, which ``vcgencmd get_throttled`` shows."""

_FIRMWARE_STATES = (
    (0x1, "the supply voltage is too low"),
    (0x2, "the firmware caps the frequency"),
    (0x4, "the firmware throttles"),
    (0x8, "the soft temperature limit is reached"),
)

_SLOWED = 0.9
"""CPUs whose highest frequency fell below this share of the highest seen are called throttled."""


@dataclass(frozen=True)
class Reading:
    """One look at the sensors; what a machine does not tell is None or empty."""

    temperature_c: float | None
    """Of the hottest thermal zone."""
    frequency_khz: dict[int, int]
    """Current frequency, by CPU."""
    firmware: int | None
    """A Raspberry Pi's throttling bits."""


class Sensors:
    """The files of one machine.

    Args:
        root: Where ``sys`` is.
    """

    def __init__(self, root: str | Path = "/") -> None:
        base = Path(root)
        self._zones = sorted(base.glob("sys/class/thermal/thermal_zone*/temp"))
        self._frequencies = {
            int(path.parts[-3].removeprefix("cpu")): path
            for path in base.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq")
        }
        self._firmware = base / _FIRMWARE

    def read(self) -> Reading:
        """Looks at all of them."""
        temperatures = [value for zone in self._zones if (value := _number(zone)) is not None]
        frequencies = {cpu: _number(path) for cpu, path in self._frequencies.items()}
        return Reading(
            temperature_c=max(temperatures) / 1000 if temperatures else None,
            frequency_khz={cpu: value for cpu, value in frequencies.items() if value is not None},
            firmware=_number(self._firmware, base=16),
        )


class Conditions:
    """Gathers readings that are taken under load.

    Args:
        sensors: What is read.
    """

    def __init__(self, sensors: Sensors) -> None:
        self._sensors = sensors
        self.load_before = os.getloadavg()[0]
        self.first_temperature_c: float | None = None
        self.highest_temperature_c: float | None = None
        self._highest_khz: dict[frozenset[int], int] = {}
        self._latest_khz: dict[frozenset[int], int] = {}
        self._slowest_share = 1.0
        self._firmware = 0

    def look(self, busy_cpus: Iterable[int]) -> None:
        """Reads the sensors while an engine is at work on these CPUs."""
        reading = self._sensors.read()
        self._firmware |= reading.firmware or 0
        if reading.temperature_c is not None:
            if self.first_temperature_c is None:
                self.first_temperature_c = reading.temperature_c
            before = self.highest_temperature_c
            self.highest_temperature_c = max(reading.temperature_c, before or reading.temperature_c)
        cpus = frozenset(busy_cpus)
        now = max((reading.frequency_khz[cpu] for cpu in cpus if cpu in reading.frequency_khz), default=0)
        if now:
            self._latest_khz[cpus] = now
            self._highest_khz[cpus] = max(now, self._highest_khz.get(cpus, now))

    def end_of_block(self, busy_cpus: Iterable[int]) -> None:
        """Judges the frequency that the last look of a measured block saw; a block's start may be slow."""
        cpus = frozenset(busy_cpus)
        if cpus in self._latest_khz:
            share = self._latest_khz[cpus] / self._highest_khz[cpus]
            self._slowest_share = min(self._slowest_share, share)

    @property
    def throttled(self) -> bool:
        """Whether the machine slowed down while it was measured."""
        return self._slowest_share < _SLOWED or bool(self._firmware & 0xF)

    def notes(self) -> list[str]:
        """Lines for people: warnings first."""
        lines = [f"warning: {text}" for bit, text in _FIRMWARE_STATES if self._firmware & bit]
        if self._slowest_share < _SLOWED:
            share = f"{self._slowest_share:.0%}"
            lines.append(
                f"warning: the frequency fell to {share} of the highest seen; that slowed all rows measured "
                "in turn alike, but their times are not those of the cool machine"
            )
        if self.highest_temperature_c is not None:
            lines.append(f"temperature {self.first_temperature_c:.0f} to {self.highest_temperature_c:.0f} C")
        if self._highest_khz:
            lines.append(f"frequency up to {max(self._highest_khz.values()) / 1e6:.2f} GHz")
        cpus = len(os.sched_getaffinity(0))
        if self.load_before > 0.25 * cpus:
            lines.append(f"warning: other programs were running: load {self.load_before:.1f} on {cpus} CPUs")
        return lines

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "load_before": self.load_before,
            "temperature_c": [self.first_temperature_c, self.highest_temperature_c],
            "highest_frequency_khz": max(self._highest_khz.values(), default=None),
            "slowest_frequency_share": self._slowest_share,
            "throttled": self.throttled,
        }


class EnergyMeter:
    """The processor packages' energy counters (RAPL, through Linux's powercap), where they can be read.

    Args:
        root: Where ``sys`` is.
    """

    def __init__(self, root: str | Path = "/") -> None:
        zones = sorted(Path(root).glob("sys/class/powercap/intel-rapl:[0-9]"))
        packages = [zone for zone in zones if _text(zone / "name").startswith("package")]
        self._zones = [zone for zone in packages if _number(zone / "energy_uj") is not None]
        self._ranges = [_number(zone / "max_energy_range_uj") or 0 for zone in self._zones]

    @property
    def available(self) -> bool:
        """Whether there is a counter that this process may read; often only root may."""
        return bool(self._zones)

    def read(self) -> list[int]:
        """The counters, in microjoules; they start again at their range's end."""
        return [_number(zone / "energy_uj") or 0 for zone in self._zones]

    def joules_since(self, before: list[int]) -> float:
        """Energy spent since an earlier :meth:`read`."""
        spent = 0
        for earlier, now, limit in zip(before, self.read(), self._ranges):
            spent += now - earlier if now >= earlier else now - earlier + limit
        return spent / 1e6


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:  # the kernel's files come, go and refuse: a sensor that cannot be read is not there
        return ""


def _number(path: Path, base: int = 10) -> int | None:
    try:
        return int(_text(path), base)
    except ValueError:
        return None
