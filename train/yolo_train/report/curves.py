"""``results.png``: losses, average precision and learning rate over the epochs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from yolo_edge.val.chart import COLOURS, GRID, INK, MEAN, MUTED, bare, headline, new_figure, save_png
from yolo_train.report.results import EpochResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_results"]

_TRAIN, _VAL = COLOURS[0], MEAN
_Value = Callable[[EpochResult], float]


def plot_results(history: Sequence[EpochResult], path: Path, subject: str) -> None:
    """Draws the course of a training.

    Args:
        history: Its epochs, at least one.
        path: The PNG file.
        subject: What was trained on what, for the line under the titles.

    Raises:
        MissingExtraError: matplotlib is not installed.
        SinkError: The file cannot be written.
    """
    figure = new_figure(14, 8)
    panels = list(figure.subplots(2, 3).flat)
    losses: list[tuple[str, _Value, _Value]] = [
        ("Loss of boxes", lambda row: row.train_box, lambda row: row.val_box),
        ("Loss of objectness", lambda row: row.train_obj, lambda row: row.val_obj),
        ("Loss of classes", lambda row: row.train_cls, lambda row: row.val_cls),
    ]
    for axes, (title, train, val) in zip(panels[:3], losses):
        _lines(axes, history, title, subject, [("training", train, _TRAIN), ("validation", val, _VAL)])
    rest: list[tuple[str, list[tuple[str, _Value, str]]]] = [
        (
            "Average precision",
            [("AP@.50", lambda row: row.ap50, _VAL), ("AP@[.50:.95]", lambda row: row.ap, _TRAIN)],
        ),
        (
            "Precision and recall at the best F1",
            [("precision", lambda row: row.precision, _VAL), ("recall", lambda row: row.recall, _TRAIN)],
        ),
        ("Learning rate", [("weights", lambda row: row.lr, MUTED)]),
    ]
    for axes, (title, lines) in zip(panels[3:], rest):
        _lines(axes, history, title, subject, lines)
    best = max(range(len(history)), key=lambda index: (history[index].fitness, index))
    ap = panels[3]
    ap.axvline(history[best].epoch + 1, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
    ap.annotate(
        f"best: epoch {history[best].epoch + 1}, AP {history[best].ap:.3f}",
        (history[best].epoch + 1, 1.0),
        xytext=(-4, -2),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="right" if best > len(history) / 2 else "left",
        va="top",
        fontsize=9,
        color=MUTED,
    )
    save_png(figure, path)


def _lines(
    axes: Axes,
    history: Sequence[EpochResult],
    title: str,
    subject: str,
    lines: Sequence[tuple[str, _Value, str]],
) -> None:
    from matplotlib.ticker import MaxNLocator

    epochs = [row.epoch + 1 for row in history]
    marker = "o" if len(history) < 3 else None  # a single point makes no line
    for label, value, colour in lines:
        values = [value(row) for row in history]
        axes.plot(epochs, values, color=colour, linewidth=1.6, label=label, marker=marker, markersize=4)
    axes.set_xlim(1, max(2, epochs[-1]))
    axes.set_ylim(bottom=0)
    bare(axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_xlabel("Epoch", fontsize=10, color=INK)
    axes.legend(frameon=False, fontsize=9.5, labelcolor=INK, loc="best")
    headline(axes, title, subject)
