"""Finds what ``tune`` stored for a bundle on this machine."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolo_edge.bundle import Bundle, LetterboxMode, load_bundle
from yolo_edge.cpu_plan import plan_cpus
from yolo_edge.errors import ProfileError
from yolo_edge.tuning.machine import read_machine
from yolo_edge.tuning.profile import TunedRow, Tuning, load_profile, profile_path, profiles_folder


@dataclass(frozen=True)
class Wishes:
    """What the user fixed; a stored row has to agree with all of it. None fixes nothing."""

    threads: int | None = None
    cluster: str | None = None
    affinity: str | None = None
    precision: str = "auto"
    """``auto`` fixes nothing."""
    workers: int | None = 1
    """Engines at once; None leaves it open."""

    def best(self, rows: Sequence[TunedRow]) -> TunedRow | None:
        """The first row that agrees.

        Raises:
            ValueError: A cluster or CPUs that this machine does not have.
        """
        fixed = self.cluster is not None or self.affinity is not None
        cpus = str(plan_cpus(None, self.cluster, self.affinity).engine_cpus) if fixed else None
        for row in rows:
            candidate = row.candidate
            if (
                cpus in (None, candidate.cpus)
                and self.threads in (None, candidate.threads)
                and self.precision in ("auto", candidate.precision)
                and self.workers in (None, candidate.workers)
            ):
                return row
        return None

    def describe(self) -> str:
        """The flags that fix something."""
        flags = {"threads": self.threads, "cluster": self.cluster, "affinity": self.affinity}
        if self.precision != "auto":
            flags["precision"] = self.precision
        return " ".join(f"--{name} {value}" for name, value in flags.items() if value is not None)


@dataclass(frozen=True)
class Lookup:
    """What was found."""

    row: TunedRow | None = None
    """The best stored row within the wishes."""
    tuning: Tuning | None = None
    """Where it is from."""
    problem: str | None = None
    """Why a stored profile is not used; None when it is, or when there is none."""


def look_up(
    bundle: Bundle,
    size_hw: tuple[int, int],
    letterbox: str,
    wishes: Wishes | None = None,
    objective: str = "latency",
) -> Lookup:
    """Looks for the best way to run a bundle that was measured on this machine.

    Args:
        bundle: The bundle.
        size_hw: Network size.
        letterbox: ``rect`` or ``square``.
        wishes: What the user fixed; None fixes nothing.
        objective: What it should be best for, if ``tune`` measured that; else what it did measure counts.

    Raises:
        ValueError: Wishes that this machine cannot fulfil, such as an unknown cluster.
    """
    chosen = wishes if wishes is not None else Wishes()
    folder = profiles_folder()
    if folder is None:
        return Lookup()
    try:
        profile = load_profile(profile_path(bundle, read_machine(), folder))
    except ProfileError as error:
        return Lookup(problem=str(error))
    if profile is None:
        return Lookup()
    tuning = profile.find(size_hw, letterbox, objective)
    if tuning is None:
        sizes = (_size(*other.size_hw, other.letterbox) for other in profile.tunings)
        known = ", ".join(dict.fromkeys(sizes))
        wanted = _size(*size_hw, letterbox)
        return Lookup(problem=f"the bundle was tuned for {known}, not for {wanted}")
    if changes := tuning.stale():
        return Lookup(problem=f"engines changed since ({changes}); run yolo-edge tune again")
    if (row := chosen.best(tuning.rows)) is not None:
        return Lookup(row, tuning)
    return Lookup(problem=f"no row that tune measured has {chosen.describe()}")


def _size(height: int, width: int, letterbox: str) -> str:
    return f"{height}x{width} {letterbox}"


def tuned_arguments(
    bundle: Bundle | str | os.PathLike[str],
    *,
    imgsz: tuple[int, int] | None = None,
    letterbox: LetterboxMode | None = None,
    threads: int | None = None,
    cluster: str | None = None,
    affinity: str | None = None,
    precision: str = "auto",
) -> dict[str, Any]:
    """How ``yolo-edge tune`` found a bundle to run best here, as arguments of a Detector.

    What is given is kept: the result is the best measured configuration that agrees with it: for latency,
    if ``tune`` was not asked for something else when it last ran.

    Args:
        bundle: A bundle folder, or one already read.
        imgsz: Network size (height, width); None takes the bundle's.
        letterbox: ``rect`` or ``square``; None takes the bundle's.
        threads: Threads of one inference.
        cluster: Cores to run on.
        affinity: CPUs to run on.
        precision: Arithmetic; ``auto`` leaves it open.

    Returns:
        ``engine``, ``native``, ``precision``, ``threads`` and ``affinity``; empty when the bundle was never
        tuned on this machine. A profile that cannot be used (damaged, or engines were updated since) is a
        warning, and the result is empty.

    Example:
        >>> from yolo_edge import Detector, tuned_arguments
        >>> with Detector("best.edge", **tuned_arguments("best.edge")) as detector:
        ...     print(len(detector.bundle.names) > 0)
        True
    """
    opened = bundle if isinstance(bundle, Bundle) else load_bundle(Path(bundle))
    found = look_up(
        opened,
        imgsz if imgsz is not None else opened.input.size_hw,
        letterbox if letterbox is not None else opened.input.letterbox,
        Wishes(threads=threads, cluster=cluster, affinity=affinity, precision=precision),
    )
    if found.problem is not None:
        warnings.warn(found.problem, stacklevel=2)
    return found.row.candidate.detector_arguments() if found.row is not None else {}


def first_time_hint() -> str | None:
    """What to tell somebody who never tuned on this machine, the first time it is asked; else None."""
    folder = profiles_folder()
    if folder is None:
        return None
    fingerprint = read_machine().fingerprint
    if any(folder.glob(f"*-{fingerprint}.*")):
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"hint-{fingerprint}.stamp").touch()
    except OSError:  # where nothing can be remembered, saying it once would be saying it each time
        return None
    return (
        "yolo-edge tune finds the fastest engine, threads and CPUs of this machine by measuring; "
        "run uses them from then on (said once)"
    )
