"""What ``tune`` found, kept for ``run``: one file for each bundle and machine."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yolo_edge.bundle import Bundle
from yolo_edge.errors import ProfileError
from yolo_edge.file_replacement import replace_text
from yolo_edge.tuning.candidates import Candidate
from yolo_edge.tuning.machine import Machine, engine_versions

FOLDER_VARIABLE = "YOLO_EDGE_PROFILES"
"""Names the folder of profiles; set to nothing, there are none."""

SCHEMA = 1

_DIGEST_DIGITS = 16


@dataclass(frozen=True)
class TunedRow:
    """A candidate that passed the check, and its figures."""

    candidate: Candidate
    median_ms: float
    """Time of a frame; with several workers, of one worker's frame."""
    p95_ms: float
    fps: float
    """Frames per second of all workers together."""
    cpu_ms: float
    """CPU time of a frame."""
    joules: float | None
    """Energy of a frame, where the machine has counters."""
    cost_to_best: float
    """Its cost in the objective over the winner's."""
    raced: bool
    """Whether it was measured in turn with the winner; else it was measured once, some time before."""


@dataclass(frozen=True)
class Tuning:
    """One result of ``tune``: for a network size and letterbox, what is best on one machine."""

    size_hw: tuple[int, int]
    letterbox: str
    objective: str
    measured_at: str
    """UTC, ISO 8601."""
    engines: Mapping[str, Mapping[str, str | None]]
    """Versions at that time, see :func:`~yolo_edge.tuning.machine.engine_versions`."""
    rows: Sequence[TunedRow]
    """From the best down."""
    notes: Sequence[str] = ()

    def stale(self) -> str | None:
        """What has changed since, or None."""
        changes = []
        for name, now in engine_versions(self.engines).items():
            for form, version in now.items():
                before = self.engines[name].get(form)
                if version != before:
                    changes.append(f"{name} ({form}) was {before or 'not installed'}, is {version or 'gone'}")
        return "; ".join(changes) or None


@dataclass
class Profile:
    """The tunings of one bundle on one machine."""

    bundle: str
    """Its digest."""
    machine: Mapping[str, Any]
    """As information; the machine's fingerprint is in the file's name."""
    tunings: list[Tuning] = field(default_factory=list)

    def find(self, size_hw: tuple[int, int], letterbox: str, objective: str) -> Tuning | None:
        """The tuning for a network size: that for the objective, else the one there is."""
        found = [each for each in self.tunings if (each.size_hw, each.letterbox) == (size_hw, letterbox)]
        return min(found, key=lambda tuning: tuning.objective != objective, default=None)

    def put(self, *tunings: Tuning) -> None:
        """Adds the tunings that were asked for together, in the place of those for the same sizes."""
        same = {(tuning.size_hw, tuning.letterbox) for tuning in tunings}
        kept = [old for old in self.tunings if (old.size_hw, old.letterbox) not in same]
        self.tunings = [*kept, *tunings]


def profiles_folder() -> Path | None:
    """Where profiles are kept; None when $YOLO_EDGE_PROFILES is set to nothing or there is no home."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named is not None:
        return Path(named) if named else None
    state = os.environ.get("XDG_STATE_HOME")
    if state and Path(state).is_absolute():  # the rule of the XDG base directories
        return Path(state) / "yolo-edge"
    try:
        return Path.home() / ".local/state/yolo-edge"
    except RuntimeError:  # a service without a home
        return None


def bundle_digest(bundle: Bundle) -> str:
    """Equal for equal bundles, wherever they lie: the manifest holds the hashes of all model files."""
    text = json.dumps(bundle.manifest, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_DIGITS]


def profile_path(bundle: Bundle, machine: Machine, folder: Path) -> Path:
    """The file of a bundle and a machine."""
    return folder / f"{bundle_digest(bundle)}-{machine.fingerprint}.json"


def load_profile(path: Path) -> Profile | None:
    """Reads a profile; None where there is none.

    Raises:
        ProfileError: The file is damaged or from another version.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA:
            raise ProfileError(f"{path}: has schema {content['schema']}, this version reads {SCHEMA}")
        tunings = [_tuning(entry) for entry in content["tunings"]]
        return Profile(bundle=content["bundle"], machine=content["machine"], tunings=tunings)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        shown = f"{type(error).__name__}: {error}"
        raise ProfileError(f"{path}: cannot be read ({shown}); yolo-edge tune writes it again") from None


def store_profile(path: Path, profile: Profile) -> None:
    """Writes a profile beside its place and moves it there.

    Raises:
        ProfileError: It cannot be written.
    """
    content = {"schema": SCHEMA, **dataclasses.asdict(profile)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, json.dumps(content, ensure_ascii=False, indent=1) + "\n")
    except OSError as error:
        raise ProfileError(f"{path}: cannot be written: {error.strerror}") from None


def _tuning(entry: Mapping[str, Any]) -> Tuning:
    height, width = (int(side) for side in entry["size_hw"])
    rows = [TunedRow(**{**row, "candidate": _candidate(row["candidate"])}) for row in entry["rows"]]
    engines = {name: dict(forms) for name, forms in entry["engines"].items()}
    return Tuning(**{**entry, "size_hw": (height, width), "rows": rows, "engines": engines})


def _candidate(entry: Mapping[str, Any]) -> Candidate:
    candidate = Candidate(**entry)
    candidate.shares()  # refuses CPUs that are none
    if candidate.threads < 1 or candidate.workers < 1:
        raise ValueError(f"{candidate.threads} threads, {candidate.workers} workers")
    return candidate
