"""What a machine can be asked to do with a bundle: engine, arithmetic, threads, CPUs and workers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolo_edge._core import CpuSet, CpuTopology
from yolo_edge.bundle import Bundle
from yolo_edge.engines import engine_class, engine_names, installed_version, native_version
from yolo_edge.options import INT8_PRECISIONS


@dataclass(frozen=True)
class Runtime:
    """An engine in one of the two forms in which it can be installed."""

    engine: str
    native: bool
    """Compiled into the core; False is the engine's Python package."""
    precisions: tuple[str, ...]
    """Kinds of arithmetic in which a target of the bundle may run, the exact one first."""

    @property
    def title(self) -> str:
        """How tables and messages call it."""
        return f"{self.engine} (native)" if self.native else self.engine


@dataclass(frozen=True)
class Candidate:
    """One way to run a bundle: a row of the table."""

    engine: str
    native: bool
    precision: str
    threads: int
    """Threads of one inference."""
    cpus: str
    """CPUs that the engines are bound to, as a list (``0-3,6``)."""
    workers: int = 1
    """Engines that work at once, each on its share of ``cpus``."""

    @property
    def title(self) -> str:
        """The engine, as tables and messages call it."""
        return Runtime(self.engine, self.native, ()).title

    def describe(self) -> str:
        """One line for people."""
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        text = f"{self.title} {self.precision}, {threads} on CPUs {self.cpus}"
        return text if self.workers == 1 else f"{text}, {self.workers} workers"

    def detector_arguments(self, worker: int = 0) -> dict[str, Any]:
        """The arguments of :class:`~yolo_edge.Detector` for one of its workers."""
        return {
            "engine": self.engine,
            "native": self.native,
            "precision": self.precision,
            "threads": self.threads,
            "affinity": str(self.shares()[worker]),
        }

    def shares(self) -> list[CpuSet]:
        """The CPUs of each worker: parts that do not overlap, whose sizes differ by one at most."""
        cpus = list(CpuSet(self.cpus))
        ends = [len(cpus) * number // self.workers for number in range(self.workers + 1)]
        return [CpuSet(cpus[start:end]) for start, end in zip(ends, ends[1:])]

    def simplicity(self) -> tuple[object, ...]:
        """Sorts candidates; of two that are equally good the smaller is taken.

        Fewer threads, then float32, then one engine, then the order in which ``--engine auto`` asks.
        """
        order = engine_names()
        rank = order.index(self.engine) if self.engine in order else len(order)
        exact = self.precision == "fp32"
        return (self.threads * self.workers, not exact, self.workers, rank, not self.native, self.cpus)


@dataclass(frozen=True)
class CpuChoice:
    """A set of CPUs worth trying, and what it is."""

    name: str
    cpus: CpuSet


def runtimes_of(bundle: Bundle, engines: Sequence[str] | None = None) -> list[Runtime]:
    """The installed engines that a bundle has targets for, in the order of ``--engine auto``.

    Args:
        bundle: The bundle.
        engines: Names to choose from; None means all.

    Raises:
        ValueError: A name that stands for no engine.
    """
    for name in engines or ():
        engine_class(name)
    verified: dict[str, set[str]] = {}
    for target in bundle.targets:
        verified.setdefault(target.engine, set()).update(target.compute)
    found = []
    for name in engine_names():
        if name not in verified or (engines is not None and name not in engines):
            continue
        kind = engine_class(name)
        precisions = tuple(mode for mode in kind.compute_modes if mode in verified[name])
        if native_version(name) is not None:
            found.append(Runtime(name, True, precisions))
        if kind.version() is not None:
            found.append(Runtime(name, False, precisions))
    return found


def without_int8(runtimes: Sequence[Runtime]) -> list[Runtime]:
    """What may be chosen for a user who did not ask for 8-bit weights, which may find less."""
    kept = [
        dataclasses.replace(
            runtime, precisions=tuple(mode for mode in runtime.precisions if mode not in INT8_PRECISIONS)
        )
        for runtime in runtimes
    ]
    return [runtime for runtime in kept if runtime.precisions]


def not_installed(bundle: Bundle) -> list[str]:
    """The engines that a bundle has targets for and that are not installed here."""
    held = {target.engine for target in bundle.targets}
    return [name for name in engine_names() if name in held and installed_version(name) is None]


def cpu_choices(topology: CpuTopology, root: str | Path = "/", *, leave_one: bool = False) -> list[CpuChoice]:
    """The sets of CPUs worth trying, the usual one first: clusters, several of them, one CPU of each core.

    Args:
        topology: The machine.
        root: Where ``sys`` is.
        leave_one: Also where those are all CPUs, all but one: what reads and writes frames has that one.
    """
    usual = topology.select()
    tiers = [tier for tier in topology.tiers if len(tier.cpus & topology.allowed)]
    choices = [CpuChoice(tiers[0].name if tiers else "all", usual), CpuChoice("all", topology.allowed)]
    if len(tiers) > 2:
        upper = (tiers[0].cpus | tiers[1].cpus) & topology.allowed
        choices.append(CpuChoice(f"{tiers[0].name} and {tiers[1].name}", upper))
    choices += [CpuChoice(tier.name, tier.cpus & topology.allowed) for tier in tiers[1:]]
    choices.append(CpuChoice("one of each core", _one_of_each_core(usual, Path(root))))
    if leave_one and usual == topology.allowed and len(usual) > 1:
        choices.append(CpuChoice("all but one", CpuSet(list(usual)[:-1])))
    distinct: dict[str, CpuChoice] = {}
    for choice in choices:
        distinct.setdefault(str(choice.cpus), choice)
    return list(distinct.values())


def _one_of_each_core(cpus: CpuSet, root: Path) -> CpuSet:
    """Of CPUs that share a core (hyper-threads) the first; all of them where the kernel does not say."""
    kept, seen = [], set()
    for cpu in cpus:
        folder = root / f"sys/devices/system/cpu/cpu{cpu}/topology"
        try:
            siblings = (folder / "thread_siblings_list").read_text().strip()
        except OSError:
            siblings = str(cpu)
        if siblings not in seen:
            kept.append(cpu)
        seen.add(siblings)
    return CpuSet(kept)


def thread_counts(cpus: int, quota_cpus: float | None = None) -> list[int]:
    """The numbers of threads worth trying on so many CPUs, the most first.

    Powers of two, all, and all but one, which leaves a CPU for the rest of the program; no more than a
    cgroup's quota feeds.
    """
    most = cpus if quota_cpus is None else max(1, min(cpus, math.ceil(quota_cpus)))
    counts = {1, most} | {2**i for i in range(1, most.bit_length()) if 2**i <= most}
    if most > 2:
        counts.add(most - 1)
    return sorted(counts, reverse=True)


def worker_splits(cpus: int, quota_cpus: float | None = None) -> list[tuple[int, int]]:
    """(workers, threads of each) that use so many CPUs up, for at least two workers."""
    most = thread_counts(cpus, quota_cpus)[0]
    return [(most // threads, threads) for threads in (1, 2, 4) if most // threads > 1]
