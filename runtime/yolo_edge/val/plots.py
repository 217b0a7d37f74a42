"""Charts of one evaluation: curves over confidence and recall, and the confusion matrix."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from yolo_edge.val.chart import (
    COLOURS,
    FAINT_LINE,
    INK,
    MEAN,
    class_labels,
    headline,
    new_figure,
    save_png,
    show_legend,
    unit_axes,
)
from yolo_edge.val.comparison import Floats, Indices
from yolo_edge.val.confidence_curves import ConfidenceCurves
from yolo_edge.val.confusion_plot import draw_confusion
from yolo_edge.val.evaluation import Evaluation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ALL_NAMED = 8
"""So many classes have a colour and a name each; of more, only the best and the worst."""

_BEST_AND_WORST = 3


@dataclass(frozen=True)
class _Chart:
    """One curve for each class, and their mean."""

    file: str
    title: str
    x: Floats
    y: Floats
    """(C, points)"""
    labels: tuple[str, str]
    value: Floats
    """(C,): what a class is ranked by, and what stands beside its name."""
    value_name: str
    point: tuple[float, float, str] | None = None
    """x, y and text of a mark on the mean."""


def plot_evaluation(evaluation: Evaluation, folder: Path, subject: str) -> list[Path]:
    """Draws all charts of an evaluation.

    Args:
        evaluation: What is shown.
        folder: Where the files go; it exists.
        subject: What was evaluated on what, for the second line of each chart.

    Returns:
        The files that were written.

    Raises:
        MissingExtraError: matplotlib is not installed.
        SinkError: A file cannot be written.
    """
    curves = evaluation.curves
    figures = {chart.file: _draw(curves, chart, subject) for chart in _charts(curves)}
    figures["confusion_matrix.png"] = draw_confusion(evaluation.confusion, subject)
    for name, figure in figures.items():
        save_png(figure, folder / name)
    return [folder / name for name in figures]


def _charts(curves: ConfidenceCurves) -> list[_Chart]:
    best = curves.best_f1()
    place = 0 if best is None else int(np.searchsorted(curves.confidence, best.confidence))
    conf = curves.confidence[place]

    def over_confidence(file: str, name: str, y: Floats, mark: str) -> _Chart:
        height = float(curves.mean(y)[place])
        return _Chart(
            file,
            f"{name} over confidence",
            curves.confidence,
            y,
            ("Confidence threshold", name),
            y[:, place],
            f"{name} at confidence {conf:.2f}",
            None if best is None else (best.confidence, height, f"{mark} {height:.2f} at {conf:.2f}"),
        )

    return [
        _Chart(
            "pr_curve.png",
            "Precision over recall",
            curves.recall_level,
            curves.precision_at_recall,
            ("Recall", "Precision"),
            curves.ap50,
            "AP@.50",
        ),
        over_confidence("f1_curve.png", "F1", curves.f1, "best mean F1"),
        over_confidence("p_curve.png", "Precision", curves.precision, "precision"),
        over_confidence("r_curve.png", "Recall", curves.recall, "recall"),
    ]


def _draw(curves: ConfidenceCurves, chart: _Chart, subject: str) -> Figure:
    figure = new_figure(10, 6.2)
    axes = figure.add_subplot()
    unit_axes(axes, *chart.labels)
    headline(axes, chart.title, f"{subject} · IoU 0.5")
    count = len(curves.class_ids)
    names = class_labels(curves.class_ids.tolist(), curves.names)
    named = _named(chart.value, curves.objects)
    for number in set(range(count)) - set(named):
        axes.plot(chart.x, chart.y[number], color=FAINT_LINE, linewidth=0.7, alpha=0.6)
    lines, labels = [], []
    for colour, number in zip(COLOURS, named):
        lines += axes.plot(chart.x, chart.y[number], color=colour, linewidth=1.5)
        labels.append(f"{names[number]}  {_shown(chart.value[number])}  ({curves.objects[number]})")
    if count == 1:
        lines[0].set(color=MEAN, linewidth=3.2)
    else:
        value = float(curves.mean(chart.value)) if count else np.nan
        mean = axes.plot(chart.x, curves.mean(chart.y), color=MEAN, linewidth=3.2)
        lines, labels = [*mean, *lines], [f"mean of {count} classes  {_shown(value)}", *labels]
    if count > _ALL_NAMED:
        best, rest = 1 + _BEST_AND_WORST, count - 2 * _BEST_AND_WORST
        grey = axes.plot([], [], color=FAINT_LINE, linewidth=1.5)
        lines = [*lines[:best], *grey, *lines[best:]]
        labels = [*labels[:best], f"{rest} more, in between", *labels[best:]]
    show_legend(axes, lines, labels, f"{chart.value_name} (objects)")
    if chart.point is not None:
        x, y, text = chart.point
        axes.plot([x, x], [0, y], color=MEAN, linewidth=1, linestyle=(0, (3, 3)))
        axes.plot([x], [y], marker="o", markersize=8, color=MEAN, markeredgecolor="white", clip_on=False)
        left = x > 0.6
        axes.annotate(
            text,
            (x, 0),  # where a line of such height leaves most room
            xytext=(-8 if left else 8, 10),
            textcoords="offset points",
            ha="right" if left else "left",
            fontsize=10.5,
            fontweight="bold",
            color=INK,
            bbox={"boxstyle": "round,pad=0.25", "facecolor": "white", "edgecolor": "none", "alpha": 0.85},
        )
    return figure


def _named(value: Floats, objects: Indices) -> list[int]:
    """Which classes have a colour and a name, the best first; of equals that with more objects."""
    # A class of which no box is left has no value.
    value = np.nan_to_num(value, nan=-1.0)
    best: list[int] = np.lexsort((-objects, -value)).tolist()
    if len(best) <= _ALL_NAMED:
        return best
    worst = np.lexsort((-objects, value))[:_BEST_AND_WORST][::-1].tolist()
    return [*best[:_BEST_AND_WORST], *worst]


def _shown(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.2f}"
