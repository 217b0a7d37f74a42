"""The report on layers: a table, JSON, a chart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from yolo_edge.packages import require_matplotlib
from yolo_export.quantize.sensitivity import LayerNoise

__all__ = ["draw_sensitivity", "sensitivity_rows", "sensitivity_table"]

_BAR = "tab:blue"
_WIDTHS = {False: 8.0, True: 11.0}
"""Of a chart without and with gains, in inches."""


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
    require_matplotlib("the chart of layers")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    gains = [row.gain for row in rows]
    measured = any(gain is not None for gain in gains)
    figure = Figure(figsize=(_WIDTHS[measured], 1.2 + 0.16 * len(rows)))
    figure.set_layout_engine("constrained")
    FigureCanvasAgg(figure)
    noise, *gained = figure.subplots(1, 1 + measured, sharey=True, squeeze=False)[0]
    places = np.arange(len(rows))
    highest = max((row.own_db for row in rows if np.isfinite(row.own_db)), default=0.0)
    noise.barh(
        places, [min(row.own_db, highest) for row in rows], color=_BAR, label="heads, it alone quantised"
    )
    noise.plot([row.through_db for row in rows], places, "k.", label="its output, all quantised")
    noise.set_yticks(places, [row.name for row in rows], fontsize=6)
    noise.set_ylim(len(rows) - 0.4, -0.6)
    noise.set_xlabel("signal to noise, dB (less is worse)")
    for axes in gained:
        axes.barh(places, [0.0 if gain is None else gain for gain in gains], color=_BAR)
        axes.axvline(0, color="k", linewidth=0.8)
        axes.set_xlabel("gain of the score with the layer in float")
    figure.legend(loc="outside upper right", ncols=2, fontsize=7)
    figure.savefig(path, dpi=120, format="png")
