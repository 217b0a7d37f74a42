"""Pictures of a dataset: labelled samples, objects by class, where boxes are and how large."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from yolo_edge.datasets.labels import LabelledImage
from yolo_edge.drawing import draw_boxes
from yolo_edge.packages import require_cv2
from yolo_edge.sources.images import read_image
from yolo_edge.val.chart import (
    COLOURS,
    FAINT_LINE,
    INK,
    MEAN,
    MUTED,
    bare,
    class_labels,
    headline,
    new_figure,
    plain,
)
from yolo_train.datasets.report import DatasetReport
from yolo_train.datasets.scan import ScannedSplit
from yolo_train.datasets.statistics import LARGE_PX, SMALL_PX, box_sizes_px

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SPLIT_COLOURS = {"train": MEAN, "val": COLOURS[0], "test": COLOURS[1]}

_MOST_CLASSES = 40
"""Of more, the least frequent are one bar."""

_CELL_PX = 600
_CELL_IN = 3.4
_DENSITY = ("#c7d7fb", MEAN, "#0b1a4a")
"""From few boxes to many."""


def choose_samples(split: ScannedSplit, count: int, seed: int) -> list[LabelledImage]:
    """Images that show as many classes as they can, rare ones first; the rest is drawn by lot.

    Args:
        split: Where they are from.
        count: How many at most.
        seed: Of the lot; the same one gives the same images.
    """
    images = list(split.images)
    random.Random(seed).shuffle(images)
    shown = [frozenset(image.objects.class_id.tolist()) for image in images]
    frequency: dict[int, int] = {}
    for classes in shown:
        for class_id in classes:
            frequency[class_id] = frequency.get(class_id, 0) + 1
    chosen: list[int] = []
    seen: set[int] = set()
    for class_id in sorted(frequency, key=lambda key: (frequency[key], key)):
        if len(chosen) == count:
            break
        if class_id not in seen:
            # Of the images with this class, the one that shows most that was not seen yet.
            best = max(
                (i for i in range(len(images)) if class_id in shown[i]), key=lambda i: len(shown[i] - seen)
            )
            chosen.append(best)
            seen |= shown[best]
    chosen += [i for i in range(len(images)) if i not in chosen][: count - len(chosen)]
    return [images[i] for i in chosen]


def draw_samples(images: Sequence[LabelledImage], names: Sequence[str], title: str, subtitle: str) -> Figure:
    """A grid of images with their boxes.

    Args:
        images: At least one.
        names: Class names by id.
        title: The headline.
        subtitle: What stands below it.

    Raises:
        SourceError: An image cannot be read.
    """
    columns = min(4, len(images))
    rows = -(-len(images) // columns)
    figure = new_figure(_CELL_IN * columns, _CELL_IN * rows + 0.9)
    figure.suptitle(f"{plain(title)}\n", x=0.01, ha="left", fontsize=13, fontweight="bold", color=INK)
    figure.text(0.01, 1 - 0.45 / figure.get_figheight(), plain(subtitle), va="top", fontsize=9, color=MUTED)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
        axes.set_anchor("NW")
    for axes, image in zip(grid, images):
        axes.imshow(_labelled(image, names), interpolation="antialiased")
        count = len(image.objects)
        text = f"{image.path.name}, {count} object{'' if count == 1 else 's'}"
        axes.set_title(plain(text), fontsize=8, color=MUTED, loc="left", pad=3)
    return figure


def draw_classes(report: DatasetReport) -> Figure:
    """Objects of each class, a bar for each split, the most frequent class first."""
    names, splits = report.scan.names, report.splits
    total = np.sum([split.class_objects for split in splits], axis=0)
    order = np.argsort(-total, kind="stable")
    shown = order[:_MOST_CLASSES]
    labels = class_labels(shown.tolist(), [names[i] for i in shown])
    values = np.array([[split.class_objects[i] for i in shown] for split in splits], float)
    if len(order) > len(shown):
        rest = order[len(shown) :]
        labels.append(f"{len(rest)} rarer classes")
        others = [[sum(split.class_objects[i] for i in rest)] for split in splits]
        values = np.concatenate([values, np.array(others, float)], axis=1)
    height = 0.8 / len(splits)
    figure = new_figure(9.5, 1.7 + len(labels) * (0.06 + 0.11 * len(splits)))
    axes = figure.add_subplot()
    for number, split in enumerate(splits):
        places = np.arange(len(labels)) + (number - (len(splits) - 1) / 2) * height
        label, colour = f"{split.name}, {split.objects}", SPLIT_COLOURS[split.name]
        bars = axes.barh(places, values[number], height, color=colour, label=label, linewidth=0)
        counts = [f"{count:.0f}" for count in values[number]]
        axes.bar_label(bars, counts, padding=3, fontsize=7, color=MUTED)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_xlim(0, max(float(values.max()), 1.0) * 1.08)
    axes.grid(axis="x", color=FAINT_LINE, linewidth=0.6)
    axes.set_xlabel("Objects", fontsize=11, color=INK)
    bare(axes)
    _show_splits(axes)
    headline(axes, "Objects by class", _subject(report))
    return figure


def draw_boxes_plot(report: DatasetReport) -> Figure:
    """Where boxes are, their widths and heights, and how their sizes are spread."""
    figure = new_figure(14, 5.2)
    centres, sizes, spread = figure.subplots(1, 3)
    images = [image for split in report.scan.splits for image in split.images]
    boxes = np.concatenate([np.zeros((0, 4)), *(image.objects.boxes for image in images)])
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    _density(centres, x, y, 1.0, ("Centre, fraction of the width", "Centre, fraction of the height"))
    centres.invert_yaxis()
    headline(centres, "Where boxes are", _subject(report))
    sizes_px = box_sizes_px(images, report.imgsz)
    axis_names = ("Width, px", "Height, px")
    _density(sizes, sizes_px[:, 0], sizes_px[:, 1], float(report.imgsz), axis_names)
    headline(sizes, "How wide and high", f"in the network's input of {report.imgsz} px")
    all_roots = np.sqrt(sizes_px.prod(axis=1))
    edges = np.geomspace(min(all_roots.min(), 16.0), report.imgsz, _bins(len(all_roots)) + 1)
    for split in report.scan.splits:
        roots = np.sqrt(box_sizes_px(split.images, report.imgsz).prod(axis=1))
        if not len(roots):
            continue
        # The largest box may be larger than the last edge by rounding.
        share = np.histogram(roots.clip(edges[0], edges[-1]), edges)[0] / len(roots)
        spread.stairs(share * 100, edges, color=SPLIT_COLOURS[split.name], linewidth=1.6, label=split.name)
    spread.set_xscale("log")
    ticks = [tick for tick in (1, 2, 4, 8, 16, 32, 96, 256, 640, 1280) if edges[0] <= tick <= edges[-1]]
    spread.set_xticks(ticks, [str(tick) for tick in ticks])
    spread.minorticks_off()
    spread.set_ylim(bottom=0)
    spread.set_box_aspect(1)
    for limit in (SMALL_PX, LARGE_PX):
        spread.axvline(limit, color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)))
    spread.set_xlabel("Root of a box's area, px", fontsize=11, color=INK)
    spread.set_ylabel("Share of the split's objects, %", fontsize=11, color=INK)
    bare(spread)
    spread.legend(loc="upper right", frameon=False, fontsize=9.5, labelcolor=INK)
    headline(spread, "How large", "dashed: COCO's limits of small, medium and large")
    return figure


def _labelled(image: LabelledImage, names: Sequence[str]) -> npt.NDArray[np.uint8]:
    """The image with its boxes, RGB."""
    cv2 = require_cv2("drawing samples")
    pixels = read_image(image.path)
    gain = _CELL_PX / max(pixels.shape[:2])
    height, width = (max(1, round(side * gain)) for side in pixels.shape[:2])
    way = cv2.INTER_AREA if gain < 1 else cv2.INTER_LINEAR
    pixels = cv2.resize(pixels, (width, height), interpolation=way)
    boxes = image.objects.boxes * np.array([width, height, width, height])
    # Small boxes are drawn last, on top of the large ones.
    order = np.argsort((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    class_id = image.objects.class_id[order]
    drawn = draw_boxes(pixels, boxes[order], class_id, [_text(names[i]) for i in class_id.tolist()])
    return drawn[:, :, ::-1]


def _text(name: str) -> str:
    """What OpenCV's letters can show of a name."""
    return name.encode("ascii", "replace").decode()


def _density(axes: Axes, x: Any, y: Any, limit: float, labels: tuple[str, str]) -> None:
    """How many boxes are where, in colour."""
    from matplotlib.colors import LinearSegmentedColormap, LogNorm

    edges = np.linspace(0, limit, _bins(len(x)) + 1)
    counts = np.histogram2d(x.clip(0, limit), y.clip(0, limit), [edges, edges])[0]
    # Most boxes are small: on a scale of counts all but one corner would be white.
    shown = np.ma.masked_equal(counts.T, 0)

    most = max(int(counts.max()), 2)
    colours = LinearSegmentedColormap.from_list("density", _DENSITY)
    mesh = axes.pcolormesh(edges, edges, shown, cmap=colours, norm=LogNorm(1, most))
    bar = axes.figure.colorbar(mesh, ax=axes, shrink=0.6, aspect=25, pad=0.04)
    round_numbers = (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 100_000)
    # Numbers that would stand on top of the largest are left out.
    ticks = [*(tick for tick in round_numbers if tick < most / 1.5), most]
    bar.set_ticks(ticks, labels=[str(tick) for tick in ticks])
    bar.ax.minorticks_off()
    bar.ax.set_title("boxes", fontsize=9, color=MUTED, pad=8)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, labelcolor=INK, length=0)
    axes.set_aspect("equal")
    axes.set_xlim(0, limit)
    axes.set_ylim(0, limit)
    axes.set_xlabel(labels[0], fontsize=11, color=INK)
    axes.set_ylabel(labels[1], fontsize=11, color=INK)
    bare(axes)


def _show_splits(axes: Axes) -> None:
    """Which colour is which split, above the chart at its right, where no bar can be."""
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=len(SPLIT_COLOURS),
        frameon=False,
        fontsize=9.5,
        labelcolor=INK,
        handlelength=1.2,
        columnspacing=1.2,
        borderaxespad=0.2,
    )


def _bins(count: int) -> int:
    """Of a side, for so many boxes."""
    return int(min(max(count**0.5, 12), 64))


def _subject(report: DatasetReport) -> str:
    objects = sum(split.objects for split in report.splits)
    images = sum(split.images for split in report.splits)
    return f"{report.scan.path.name}: {objects} objects in {images} images"
