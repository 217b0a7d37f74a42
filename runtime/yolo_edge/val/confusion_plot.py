"""The chart of a confusion matrix, for two classes and for hundreds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from yolo_edge.val.chart import INK, MUTED, class_labels, headline, new_figure
from yolo_edge.val.comparison import Floats
from yolo_edge.val.confusion import ConfusionMatrix

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SMALLEST_SIDE_IN, _LARGEST_SIDE_IN = 4.6, 10.0
_CELL_IN = 0.62

_COUNTS_UP_TO = 12
_SHARES_UP_TO = 24
"""Rows of a matrix whose cells hold their numbers; larger ones have a list of the largest beside them."""

_LISTED = 18

_SMALLEST_PITCH_PT = 7.5
"""Distance of two labels that can be read."""

_BRIGHTEN = 0.55
"""Exponent of the colour scale: a confusion of 5 % can be seen beside a diagonal of 80 %."""


def draw_confusion(matrix: ConfusionMatrix, subject: str) -> Figure:
    """Draws a matrix, each column as shares of its sum; classes without boxes and objects are left out.

    Args:
        matrix: What is shown.
        subject: What was evaluated on what, for the second line.
    """
    from matplotlib.colors import PowerNorm

    seen = np.flatnonzero((matrix.counts.sum(axis=0) + matrix.counts.sum(axis=1))[:-1])
    shown = np.append(seen, matrix.background)
    names = [*class_labels(seen.tolist(), [matrix.names[i] for i in seen.tolist()]), "background"]
    shares = matrix.normalised()[np.ix_(shown, shown)]
    counts = matrix.counts[np.ix_(shown, shown)]
    rows = len(shown)
    side = min(max(_CELL_IN * rows, _SMALLEST_SIDE_IN), _LARGEST_SIDE_IN)
    listed = rows > _COUNTS_UP_TO
    figure = new_figure(side + (5.9 if listed else 2.6), side + 1.9)
    axes = figure.add_subplot()
    picture = axes.imshow(shares, cmap="Blues", norm=PowerNorm(_BRIGHTEN, 0, 1), interpolation="nearest")
    headline(axes, "Confusion matrix", _subtitle(matrix, subject, rows))
    # What is found or missed, apart from what is confused.
    for line in (axes.axhline, axes.axvline):
        line(rows - 1.5, color=MUTED, linewidth=1.0)
    for spine in axes.spines.values():
        spine.set_color(MUTED)
    axes.set_xlabel("True class", fontsize=11, color=INK)
    axes.set_ylabel("Predicted class", fontsize=11, color=INK)
    _label_classes(axes, matrix, shown.tolist(), names, pitch_pt=side * 72 / rows)
    if rows <= _SHARES_UP_TO:
        _label_cells(axes, shares, counts if rows <= _COUNTS_UP_TO else None, side * 72 / rows)
    scale = axes.inset_axes((1 + 0.2 / side, 0.4, 0.22 / side, 0.6))
    bar = figure.colorbar(picture, cax=scale, ticks=[0, 0.05, 0.2, 0.5, 1])
    scale.set_yticklabels(["0", "5 %", "20 %", "50 %", "100 %"])
    scale.tick_params(length=0, labelsize=9, labelcolor=INK)
    for spine in scale.spines.values():
        spine.set_visible(False)
    bar.set_label("share of the true class", fontsize=9, color=MUTED)
    if listed:
        _list_confusions(axes, matrix, 1 + 1.35 / side)
    return figure


def _subtitle(matrix: ConfusionMatrix, subject: str, rows: int) -> str:
    thresholds = matrix.thresholds
    text = f"{subject}\nboxes above confidence {thresholds.conf:g}, IoU from {thresholds.iou:g}"
    left_out = len(matrix.names) - (rows - 1)
    return f"{text}; {left_out} classes have neither objects nor boxes" if left_out else text


def _label_classes(
    axes: Axes, matrix: ConfusionMatrix, shown: Sequence[int], names: Sequence[str], pitch_pt: float
) -> None:
    """Names all rows and columns, or where there is no room those that are confused most, and background."""
    row_of = {class_id: row for row, class_id in enumerate(shown)}
    confused = [
        row_of[class_id] for cell in matrix.most_confused(_LISTED) for class_id in (cell.predicted, cell.true)
    ]
    crowded = pitch_pt < _SMALLEST_PITCH_PT
    size = min(max(pitch_pt * 0.85, 6.5), 10.5)
    placed: list[int] = []
    for row in [len(shown) - 1, *confused] if crowded else range(len(shown)):
        if all(abs(row - other) * pitch_pt >= _SMALLEST_PITCH_PT for other in placed):
            placed.append(row)
    labels = [names[row] for row in placed]
    axes.set_xticks(placed, labels, rotation=90 if len(shown) > 4 else 0, fontsize=size)
    axes.set_yticks(placed, labels, fontsize=size)
    axes.tick_params(length=2 if crowded else 0, color=MUTED)
    emphasised = set(confused) if len(shown) > _SHARES_UP_TO and not crowded else set(placed)
    for ticks in (axes.get_xticklabels(), axes.get_yticklabels()):
        for row, label in zip(placed, ticks):
            label.set_color(INK if row in emphasised else MUTED)
            if row in emphasised and len(shown) > _SHARES_UP_TO and not crowded:
                label.set_fontweight("bold")


def _label_cells(axes: Axes, shares: Floats, counts: np.ndarray | None, pitch_pt: float) -> None:
    size = min(max(pitch_pt * 0.3, 6.0), 12.0)
    for row, column in np.argwhere(shares > 0).tolist():
        share = shares[row, column]
        text = f"{share:.2f}" if counts is None else f"{share:.2f}\n({counts[row, column]})"
        axes.text(
            column,
            row,
            text,
            ha="center",
            va="center",
            fontsize=size if counts is None else size * 0.85,
            color="white" if share > 0.28 else INK,
        )


def _list_confusions(axes: Axes, matrix: ConfusionMatrix, left: float) -> None:
    """The most frequent confusions in words, beside the matrix; ``left`` as a fraction of its width."""
    cells = matrix.most_confused(_LISTED)
    heading = "Most often confused: true → predicted" if cells else "No class was taken for another"
    axes.text(left, 1, heading, fontsize=11, fontweight="bold", color=INK, va="top", transform=axes.transAxes)
    lines = []
    for cell in cells:
        ids = (cell.true, cell.predicted)
        true, predicted = class_labels(ids, [matrix.names[i] for i in ids])
        objects = int(matrix.counts[:, cell.true].sum())
        lines.append(f"{true} → {predicted}\n      {cell.boxes} of {objects} ({cell.share * 100:.0f} %)")
    axes.annotate(
        "\n".join(lines),
        (left, 1),
        xytext=(0, -22),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=9.5,
        color=INK,
        va="top",
        annotation_clip=False,
        linespacing=1.45,
    )
