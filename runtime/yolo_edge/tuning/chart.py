"""The chart of ``yolo-edge bench --plot``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from yolo_edge.errors import SinkError
from yolo_edge.packages import require_matplotlib
from yolo_edge.tuning.comparison import STAGES, ComparedRow
from yolo_edge.tuning.statistics import median

_COLORS = {"decode": "#9aa5b1", "letterbox": "#e9a13b", "inference": "#2f6db5", "postprocess": "#3f9c6d"}
_SPREAD = 1.3
"""The axis ends at this many times the longest bar: one bad percentile must not flatten all bars."""

_TEXT = "#333333"
_FAINT = "#777777"


def draw_chart(rows: Sequence[ComparedRow], title: str, subtitle: str, path: Path) -> None:
    """Draws a bar for each row, divided into stages, with its 95th percentile and frames per second.

    Args:
        rows: Rows with figures, from the top down.
        title: The headline.
        subtitle: What was measured, on what machine.
        path: Where it goes; the suffix says in which format (png, svg, pdf).

    Raises:
        MissingExtraError: matplotlib is not installed.
        SinkError: The file cannot be written.
    """
    require_matplotlib("--plot")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 1.9 + 0.62 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    limit = _SPREAD * max(_whole_ms(row) for row in rows)
    for place, row in enumerate(rows):
        _draw_row(axes, place, row, limit)
    axes.set_yticks(range(len(rows)), [_label(row) for row in rows], color=_TEXT)
    axes.invert_yaxis()
    axes.set_xlim(0, limit * 1.24)
    axes.set_xlabel(
        "milliseconds a frame, median and 95th percentile; fps: stages overlapped", color=_FAINT, fontsize=9
    )
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", colors=_FAINT, labelsize=9)
    axes.grid(axis="x", color="#e3e3e3", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#cccccc")
    handles, labels = axes.get_legend_handles_labels()
    distinct = dict(zip(labels, handles))
    axes.legend(
        distinct.values(),
        distinct.keys(),
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=len(distinct),
        frameon=False,
        fontsize=9,
        labelcolor=_TEXT,
        borderaxespad=0.2,
        handlelength=1.0,
        handleheight=1.0,
    )
    figure.suptitle(f"{title}\n", x=0.01, ha="left", fontsize=13, fontweight="bold", color=_TEXT)
    figure.text(0.01, 0.985 - 0.36 / figure.get_figheight(), subtitle, va="top", fontsize=9, color=_FAINT)
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:  # a suffix that is no format is a ValueError
        raise SinkError(f"{path}: cannot be written: {error}") from None


def _draw_row(axes: Any, place: int, row: ComparedRow, limit: float) -> None:
    """Draws one bar, and a whisker to the 95th percentile, or to the chart's limit where that is beyond."""
    left = 0.0
    for stage in STAGES:
        if times := row.times(stage):
            width = median(times)
            axes.barh(place, width, left=left, height=0.6, color=_COLORS[stage], label=stage, linewidth=0)
            left += width
    decode = median(row.times("decode")) if row.times("decode") else 0.0
    high = row.summary("pipeline")["p95"] + decode
    end, beyond = max(left, min(high, limit)), high > limit
    axes.plot([left, end], [place, place], color=_TEXT, linewidth=1)
    axes.plot([end], [place], color=_TEXT, marker=">" if beyond else "|", markersize=4 if beyond else 9)
    text = f"{_whole_ms(row):.1f} ms, {row.stream_fps:.1f} fps"
    axes.annotate(
        f"{text} (95th: {high:.0f} ms)" if beyond else text,
        (end, place),
        xytext=(6, 0),
        textcoords="offset points",
        va="center",
        fontsize=9.5,
        color=_TEXT,
    )


def _whole_ms(row: ComparedRow) -> float:
    """A frame's median time, decoding included."""
    decode = row.times("decode")
    return row.summary("pipeline")["median"] + (median(decode) if decode else 0.0)


def _label(row: ComparedRow) -> str:
    candidate = row.candidate
    threads = "1 thread" if candidate.threads == 1 else f"{candidate.threads} threads"
    return f"{row.label}\n{candidate.precision}, {threads}"
