"""Profiles that nobody measured, and bundles that fail the check, for tests."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from yolo_edge.bundle import Bundle, load_bundle
from yolo_edge.tuning.candidates import Candidate
from yolo_edge.tuning.machine import engine_versions, read_machine
from yolo_edge.tuning.profile import Profile, TunedRow, Tuning, bundle_digest, profile_path, store_profile


def row(candidate: Candidate, cost: float = 1.0) -> TunedRow:
    return TunedRow(candidate, 10 * cost, 12 * cost, 100 / cost, 20.0, None, cost, True)


def tuning(bundle: Bundle, candidates: Sequence[Candidate], objective: str = "latency") -> Tuning:
    return Tuning(
        size_hw=bundle.input.size_hw,
        letterbox=bundle.input.letterbox,
        objective=objective,
        measured_at="2026-11-25T10:00:00+00:00",
        engines=engine_versions(sorted({target.engine for target in bundle.targets})),
        rows=[row(candidate, 1 + place / 10) for place, candidate in enumerate(candidates)],
    )


def store(path: Path, folder: Path, *tunings: Tuning) -> Path:
    """Stores tunings of a bundle for this machine; returns the file."""
    bundle = load_bundle(path)
    machine = read_machine()
    place = profile_path(bundle, machine, folder)
    store_profile(place, Profile(bundle_digest(bundle), dataclasses.asdict(machine), list(tunings)))
    return place


def damage_golden(bundle: Path) -> None:
    """Makes a bundle expect other confidences than any engine finds."""
    with np.load(bundle / "golden.npz") as data:
        arrays = dict(data)
    arrays["confidence"] = arrays["confidence"] - np.float32(0.2)
    np.savez(bundle / "golden.npz", **arrays)
