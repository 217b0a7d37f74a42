"""Several evaluations side by side, as text for people and as plain data for JSON."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from yolo_edge.datasets.dataset import Dataset
from yolo_edge.table import format_table
from yolo_edge.val.configurations import Outcome

_HEADER = (
    "bundle",
    "engine",
    "weights",
    "compute",
    "AP@[.50:.95]",
    "AP@.50",
    "AP@.75",
    "difference",
    "best F1",
    "images/s",
    "engine ms",
)


def comparison_text(outcomes: Sequence[Outcome], dataset: Dataset) -> str:
    """One row for each configuration; those that did not run are explained below the table."""
    titles = short_titles([Path(outcome.configuration.bundle.title) for outcome in outcomes])
    first = _first_ap(outcomes)
    rows = [_row(title, outcome, first) for title, outcome in zip(titles, outcomes)]
    parts = [
        f"{dataset.path}\nimages: {len(dataset.images)}, objects: {dataset.object_count}",
        format_table(_HEADER, rows),
    ]
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if failed:
        parts.append(
            "not evaluated:\n"
            + "\n".join(f"  {outcome.configuration}: {outcome.error}" for outcome in failed)
        )
    failures = max((outcome.summary.failures for outcome in outcomes if outcome.summary), default=0)
    if failures:
        parts.append(f"failed images, left out: {failures} of {len(dataset.images)}")
    parts.append(
        "difference: of AP@[.50:.95] to the first row that ran; best F1: mean over classes at IoU 0.5, and "
        "its confidence; engine ms: of the engine alone, for one image"
    )
    return "\n\n".join(parts)


def comparison_dict(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """All reports under one key, described in docs/val.md."""
    first = _first_ap(outcomes)
    reports: list[Mapping[str, Any]] = []
    for outcome in outcomes:
        report = dict(outcome.report)
        if outcome.summary is not None:
            report["ap_difference"] = _difference(outcome.summary.figures.ap, first)
        reports.append(report)
    return {"evaluations": reports}


def short_titles(paths: Sequence[Path]) -> list[str]:
    """The bundles' names, with as many of their folders as it takes to tell them apart."""
    different = sorted({path.resolve() for path in paths})
    if len({path.name for path in different}) == len(different):
        return [path.name for path in paths]
    shared = os.path.commonpath([path.parent for path in different])
    return [str(path.resolve().relative_to(shared)) for path in paths]


def _row(title: str, outcome: Outcome, first: float | None) -> list[str]:
    summary = outcome.summary
    if summary is None:
        configuration = outcome.configuration
        return [title, configuration.engine, "-", configuration.precision, "not evaluated", *["-"] * 6]
    figures, model = summary.figures, outcome.report["model"]
    difference = _difference(figures.ap, first)
    best = summary.curves.best_f1()
    return [
        title,
        model["engine"],
        model["weights"],
        model["compute"],
        *("-" if ap is None else f"{ap:.4f}" for ap in (figures.ap, figures.ap50, figures.ap75)),
        "-" if difference is None else f"{difference:+.4f}",
        "-" if best is None else f"{best.f1:.2f} at {best.confidence:.2f}",
        f"{summary.times.images_per_second:.1f}",
        f"{summary.engine_ms:.2f}",
    ]


def _first_ap(outcomes: Sequence[Outcome]) -> float | None:
    first = next((outcome.summary for outcome in outcomes if outcome.summary), None)
    return None if first is None else first.figures.ap


def _difference(ap: float | None, first: float | None) -> float | None:
    return None if ap is None or first is None else ap - first
