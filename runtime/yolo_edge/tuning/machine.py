"""Which machine this is: what a measurement holds for, and what makes it worthless."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from yolo_edge import _core
from yolo_edge.engines import engine_class, engine_names, native_version

_FINGERPRINT_DIGITS = 16


@dataclass(frozen=True)
class Machine:
    """What decides how fast an engine is here, but for the engine itself."""

    model: str
    """The board or processor by name."""
    architecture: str
    parts: tuple[str, ...]
    """Kinds of core on ARM, ``implementer:part``; empty elsewhere."""
    clusters: tuple[tuple[str, str, int | None], ...]
    """Name, CPUs and highest frequency in kHz."""
    allowed_cpus: str
    """The CPUs that this process may use."""
    quota_cpus: float | None
    """CPU time that a cgroup grants, in CPUs."""
    half_precision: bool

    @property
    def fingerprint(self) -> str:
        """Equal for equal machines, also after a restart."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:_FINGERPRINT_DIGITS]

    def describe(self) -> str:
        """One line for people."""
        return f"{self.model}, CPUs {self.allowed_cpus}"


def read_machine(root: str | Path = "/", topology: _core.CpuTopology | None = None) -> Machine:
    """Reads what the kernel says.

    Args:
        root: Where ``proc`` and ``sys`` are.
        topology: Its CPUs, when they were read already.
    """
    cpus = topology if topology is not None else _core.CpuTopology.read(root)
    facts = _cpuinfo(Path(root))
    parts = zip(facts.get("CPU implementer", []), facts.get("CPU part", []))
    return Machine(
        model=_board(Path(root)) or ", ".join(dict.fromkeys(facts.get("model name", []))) or "unknown",
        architecture=platform.machine(),
        parts=tuple(sorted(set(map(":".join, parts)))),
        clusters=tuple((tier.name, str(tier.cpus), tier.max_frequency_khz) for tier in cpus.tiers),
        allowed_cpus=str(cpus.allowed),
        quota_cpus=cpus.quota_cpus,
        half_precision=_core.has_half_precision_arithmetic(),
    )


def engine_versions(engines: Iterable[str]) -> dict[str, dict[str, str | None]]:
    """Of each engine the version compiled into the core and that of its package; None where there is none.

    An engine that this version of yolo-edge does not know has none.
    """
    known = engine_names()
    return {
        name: {
            "native": native_version(name),
            "package": engine_class(name).version() if name in known else None,
        }
        for name in engines
    }


def _cpuinfo(root: Path) -> dict[str, list[str]]:
    """The values of each key of ``/proc/cpuinfo``, in the order of the CPUs; empty where there is none."""
    try:
        text = (root / "proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return {}
    facts: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            facts.setdefault(key.strip(), []).append(value.strip())
    return facts


def _board(root: Path) -> str | None:
    """The name that a board's device tree gives."""
    try:
        return (root / "proc/device-tree/model").read_text(errors="replace").rstrip("\0\n ") or None
    except OSError:
        return None
