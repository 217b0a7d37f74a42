"""Charts of several summaries: accuracy and time of each, and their curves over each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from yolo_edge.val.chart import (
    COLOURS,
    GRID,
    INK,
    MEAN,
    bare,
    headline,
    new_figure,
    plain,
    save_png,
    show_legend,
    unit_axes,
)
from yolo_edge.val.comparison_report import short_titles
from yolo_edge.val.configurations import Outcome, Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LIGHT = "#a9c1f5"
_TIME = "#8a94a3"
_STYLES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))
"""Of lines: each colour comes with all of them before it stands for two configurations."""


def plot_comparison(outcomes: Sequence[Outcome], folder: Path, subject: str) -> list[Path]:
    """Draws a comparison; configurations that did not run are left out.

    Args:
        outcomes: At least one was evaluated.
        folder: Where the files go; it exists.
        subject: On what was evaluated, for the second line of each chart.

    Returns:
        The files that were written.

    Raises:
        MissingExtraError: matplotlib is not installed.
        SinkError: A file cannot be written.
    """
    titles = short_titles([Path(outcome.configuration.bundle.title) for outcome in outcomes])
    labels, summaries = _labelled(titles, outcomes)
    if len(set(titles)) == 1:
        subject = f"{titles[0]} on {subject}"
    figures = {
        "comparison_ap.png": _draw_ap(labels, summaries, subject),
        "comparison_pr_curve.png": _draw_precision_over_recall(labels, summaries, subject),
    }
    for name, figure in figures.items():
        save_png(figure, folder / name)
    return [folder / name for name in figures]


def _labelled(titles: Sequence[str], outcomes: Sequence[Outcome]) -> tuple[list[str], list[Summary]]:
    """Names of the summaries, with the bundle only where there are several."""
    labels, summaries = [], []
    for title, outcome in zip(titles, outcomes):
        if outcome.summary is None:
            continue
        model = outcome.report["model"]
        parts = [title] if len(set(titles)) > 1 else []
        weights, compute = model["weights"], model["compute"]
        kind = weights if weights == compute else f"{weights} in {compute}"
        labels.append(plain("\n".join([*parts, f"{model['engine']} {kind}"])))
        summaries.append(outcome.summary)
    return labels, summaries


def _draw_ap(labels: Sequence[str], summaries: Sequence[Summary], subject: str) -> Figure:
    figure = new_figure(11, 1.9 + 0.72 * len(labels))
    accuracy, speed = figure.subplots(1, 2, sharey=True, width_ratios=[3, 2])
    places = list(range(len(labels)))
    ap50 = [summary.figures.ap50 or 0.0 for summary in summaries]
    ap = [summary.figures.ap or 0.0 for summary in summaries]
    ms = [summary.engine_ms for summary in summaries]
    _bars(accuracy, [place - 0.19 for place in places], ap, MEAN, "AP {:.4f}")
    _bars(accuracy, [place + 0.19 for place in places], ap50, _LIGHT, "AP@.50 {:.4f}")
    _bars(speed, places, ms, _TIME, "{:.1f} ms")
    accuracy.set_yticks(places, labels)
    accuracy.invert_yaxis()
    accuracy.set_xlabel("Average precision", fontsize=11, color=INK)
    speed.set_xlabel("Engine, milliseconds an image", fontsize=11, color=INK)
    for axes in (accuracy, speed):
        axes.margins(x=0.26)
        bare(axes)
        axes.grid(axis="x", color=GRID, linewidth=0.8)
    headline(accuracy, "Comparison", subject)
    return figure


def _bars(axes: Axes, places: Sequence[float], values: Sequence[float], colour: str, shown: str) -> None:
    bars = axes.barh(places, values, height=0.36, color=colour)
    axes.bar_label(bars, [shown.format(value) for value in values], padding=4, fontsize=9.5, color=INK)


def _draw_precision_over_recall(labels: Sequence[str], summaries: Sequence[Summary], subject: str) -> Figure:
    figure = new_figure(10.5, 6.2)
    axes = figure.add_subplot()
    unit_axes(axes, "Recall", "Precision")
    headline(axes, "Precision over recall, mean over the classes", f"{subject} · IoU 0.5")
    lines, names = [], []
    for number, (label, summary) in enumerate(zip(labels, summaries)):
        curves = summary.curves
        lines += axes.plot(
            curves.recall_level,
            curves.mean(curves.precision_at_recall),
            color=COLOURS[number % len(COLOURS)],
            # Curves of one model lie upon each other: the later ones are thinner and broken.
            linestyle=_STYLES[number % len(_STYLES)],
            linewidth=max(1.4, 3.0 - 0.5 * number),
        )
        names.append(f"{label}  {summary.figures.ap50 or 0:.3f}")
    show_legend(axes, lines, names, "AP@.50")
    return figure
