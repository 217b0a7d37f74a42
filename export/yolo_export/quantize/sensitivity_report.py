"""The report on layers: a table, JSON, a chart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from yolo_edge.packages import require
from yolo_export.quantize.sensitivity import LayerNoise

__all__ = ["draw_sensitivity", "sensitivity_rows", "sensitivity_table"]


def sensitivity_rows(rows: Sequence[LayerNoise]) -> list[dict[str, Any]]:
    """The report for JSON, in the order of the graph; None where a figure is infinite or was not measured."""
    return [
        {
            "name": row.name,
            "own_db": _finite(row.own_db),
            "through_db": _finite(row.through_db),
            "gain": row.gain,
        }
        for row in rows
    ]


def _finite(value: float) -> float | None:
    return round(value, 2) if math.isfinite(value) else None


def sensitivity_table(rows: Sequence[LayerNoise]) -> str:
    """The report as text, the noisiest layer first."""
    width = max([5, *(len(row.name) for row in rows)])
    lines = [f"{'layer':<{width}}  alone, dB  in all, dB  gain in float"]
    lines += [
        f"{row.name:<{width}}  {row.own_db:9.1f}  {row.through_db:10.1f}  "
        + ("            -" if row.gain is None else f"{row.gain:+13.4f}")
        for row in sorted(rows, key=lambda row: row.own_db)
    ]
    return "\n".join(lines)


def draw_sensitivity(rows: Sequence[LayerNoise], path: Path) -> None:
    """Write the report as a chart, PNG, one bar for each layer in the order of the graph.

    Raises:
        ValueError: There are no layers.
        MissingExtraError: matplotlib is not installed.
    """
    if not rows:
        raise ValueError("there are no layers to draw")
    require("matplotlib", "the chart of layers", "pip install 'yolo-edge[plot]'")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1.5 + 0.16 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    places = np.arange(len(rows))
    finite = [row.own_db for row in rows if np.isfinite(row.own_db)]
    highest = max(finite, default=0.0)
    axes.barh(places, [min(row.own_db, highest) for row in rows], label="it alone quantised, at the heads")
    axes.plot([row.through_db for row in rows], places, "k.", label="all quantised, at its output")
    axes.set_yticks(places, [row.name for row in rows], fontsize=6)
    axes.invert_yaxis()
    axes.set_xlabel("signal to noise, dB (less is worse)")
    axes.legend(loc="lower right", fontsize=7)
    figure.savefig(path, dpi=120, format="png")
