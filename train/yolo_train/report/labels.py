"""``labels.png``: what is marked in the training images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from yolo_edge.datasets import LabelledImage
from yolo_edge.val.chart import GRID, INK, MEAN, bare, class_labels, headline, new_figure, save_png

__all__ = ["plot_labels"]

_MOST_CLASSES = 40
_CELLS = 50
_COLOURS = "Blues"


def plot_labels(samples: Sequence[LabelledImage], names: Sequence[str], path: Path, subject: str) -> None:
    """Draws how often each class occurs, where objects lie and how large they are.

    Args:
        samples: The training images.
        names: Class names.
        path: The PNG file.
        subject: What the images are, for the line under the titles.

    Raises:
        MissingExtraError: matplotlib is not installed.
        SinkError: The file cannot be written.
    """
    ids = np.concatenate([np.empty(0, np.int32), *(sample.objects.class_id for sample in samples)])
    boxes = np.concatenate([np.empty((0, 4)), *(sample.objects.boxes for sample in samples)])
    counts = np.bincount(ids, minlength=len(names))
    shown = np.argsort(-counts, kind="stable")[:_MOST_CLASSES]
    figure = new_figure(15, max(5.0, 1.5 + 0.2 * len(shown)))
    bars, places, sizes = figure.subplots(1, 3)
    labels = class_labels(shown.tolist(), [names[index] for index in shown])
    rows = np.arange(len(shown))
    bars.barh(rows, counts[shown], color=MEAN)
    bars.set_yticks(rows, labels)
    bars.invert_yaxis()
    bars.set_ylim(len(shown) - 0.4, -0.6)
    bare(bars)
    bars.grid(axis="x", color=GRID, linewidth=0.8)
    bars.set_xlabel("Objects", fontsize=10, color=INK)
    more = f", the {len(shown)} most frequent of {len(names)} classes" if len(names) > len(shown) else ""
    headline(bars, f"{len(ids)} objects by class", f"{subject}{more}")
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    panels = (
        (places, centres, "Where their centres lie", "from left", "from top"),
        (sizes, boxes[:, 2:] - boxes[:, :2], "How large they are", "width", "height"),
    )
    for axes, points, title, x, y in panels:
        histogram, _, _ = np.histogram2d(points[:, 1], points[:, 0], bins=_CELLS, range=[[0, 1], [0, 1]])
        # A root, so that single objects show beside the crowd.
        top_down = axes is places
        axes.imshow(
            np.sqrt(histogram),
            cmap=_COLOURS,
            extent=(0, 1, 1, 0) if top_down else (0, 1, 0, 1),
            origin="upper" if top_down else "lower",
            aspect="equal",
        )
        bare(axes)
        axes.set_xlabel(f"Fraction of the image's width, {x}", fontsize=10, color=INK)
        axes.set_ylabel(f"Fraction of its height, {y}", fontsize=10, color=INK)
        headline(axes, title, subject)
    save_png(figure, path)
