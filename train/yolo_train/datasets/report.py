"""The report of ``yolo-train check``, as text and as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from yolo_edge.table import format_table
from yolo_train.datasets.problems import Kind, Problem
from yolo_train.datasets.scan import Scan
from yolo_train.datasets.statistics import (
    PERCENTILES,
    SplitStatistics,
    add_tiny_objects,
    split_statistics,
)

_SHOWN_SIZES = 3


@dataclasses.dataclass(frozen=True)
class DatasetReport:
    """A dataset's problems and what is in it, for a network of one input size."""

    scan: Scan
    imgsz: int
    splits: tuple[SplitStatistics, ...]

    @property
    def passed(self) -> bool:
        """Whether it can be trained on."""
        return not self.scan.problems.fault_count


def make_report(scan: Scan, imgsz: int) -> DatasetReport:
    """Measures a dataset.

    Args:
        scan: Of :func:`~yolo_train.datasets.scan_dataset`.
        imgsz: Side of the network's square input in pixels.

    Raises:
        ValueError: ``imgsz`` is not positive.
    """
    if imgsz < 1:
        raise ValueError(f"imgsz is {imgsz}; it must be a positive number of pixels")
    scan = dataclasses.replace(scan, problems=scan.problems.copy())
    add_tiny_objects(scan, imgsz, scan.problems)
    return DatasetReport(
        scan, imgsz, tuple(split_statistics(split, scan.names, imgsz) for split in scan.splits)
    )


def as_text(report: DatasetReport, shown: int) -> str:
    """The report to read.

    Args:
        report: The report.
        shown: Problems of one kind that are listed; the rest is counted.
    """
    scan = report.scan
    how = "every image decoded" if scan.decoded else "images judged by their headers; --full decodes them"
    images = sum(split.images for split in report.splits)
    objects = sum(split.objects for split in report.splits)
    counts = (
        f"{_count(len(scan.names), 'class', 'es')}, {_count(images, 'image')}, {_count(objects, 'object')}"
    )
    parts = [f"{scan.path}: {counts} ({how})"]
    if report.splits:
        parts += [split_table(report), class_table(report), size_table(report)]
    if any(split.smallest for split in report.splits):
        parts.append(f"Smallest objects, at {report.imgsz} px\n{_smallest_table(report)}")
    for heading, fault in (("warning", False), ("FAULT", True)):
        parts += [
            _problem_text(heading, kind, problems, shown) for kind, problems in scan.problems.of(fault=fault)
        ]
    faults = scan.problems.fault_count
    parts.append(
        "No faults: it can be trained on."
        if report.passed
        else f"{_count(faults, 'fault')}: training will refuse this dataset."
    )
    return "\n\n".join(parts)


def as_dict(report: DatasetReport) -> dict[str, Any]:
    """All of the report, every problem included."""
    scan = report.scan
    return {
        "dataset": str(scan.path),
        "imgsz": report.imgsz,
        "decoded": scan.decoded,
        "passed": report.passed,
        "names": list(scan.names),
        "percentiles": list(PERCENTILES),
        "splits": {split.name: _split_dict(split) for split in report.splits},
        "problems": [
            {
                "kind": problem.kind,
                "severity": "fault" if fault else "warning",
                "place": problem.place,
                "text": problem.text,
            }
            for fault in (True, False)
            for _, problems in scan.problems.of(fault=fault)
            for problem in problems
        ],
    }


def split_table(report: DatasetReport) -> str:
    """Images and objects of each split."""
    header = ["split", "images", "with objects", "marked empty", "no label file", "objects", "per image"]
    rows = [
        [
            split.name,
            str(split.images),
            str(split.with_objects),
            str(split.empty_files),
            str(split.missing_files),
            str(split.objects),
            f"{split.objects / max(split.images, 1):.1f}, at most {split.most_objects}",
        ]
        for split in report.splits
    ]
    sizes = [
        f"{split.name} image sizes: {_image_sizes(split)}" for split in report.splits if split.image_sizes
    ]
    polygons = [
        f"{split.name}: {_count(split.polygons, 'polygon')}, of which the box is taken"
        for split in report.splits
        if split.polygons
    ]
    return "\n".join([format_table(header, rows), *sizes, *polygons])


def class_table(report: DatasetReport) -> str:
    """Objects of each class, and the images that show it."""
    header = ["id", "class"]
    for split in report.splits:
        header += [split.name, "share", "images"]
    rows = []
    for class_id, name in enumerate(report.scan.names):
        row = [str(class_id), name]
        for split in report.splits:
            count = split.class_objects[class_id]
            share = f"{count / split.objects:.1%}" if split.objects else "-"
            row += [str(count), share, str(split.class_images[class_id])]
        rows.append(row)
    return format_table(header, rows)


def size_table(report: DatasetReport) -> str:
    """Sizes of the boxes in the network's input."""
    header = [f"boxes at {report.imgsz} px", *(f"{p} %" for p in PERCENTILES), "<32 px", "32-96 px", "≥96 px"]
    rows = []
    for split in report.splits:
        if not split.objects:
            continue
        groups = [f"{n / split.objects:.1%}" for n in (split.small, split.medium, split.large)]
        rows += [
            [f"{split.name}: root of area", *map(_px, split.size_percentiles_px), *groups],
            [f"{split.name}: shorter side", *map(_px, split.shorter_percentiles_px), "", "", ""],
            [
                f"{split.name}: width / height",
                *(f"{value:.2f}" for value in split.aspect_percentiles),
                "",
                "",
                "",
            ],
        ]
    return format_table(header, rows)


def _smallest_table(report: DatasetReport) -> str:
    rows = [
        [split.name, item.name, _pair(item.size_px), _pair(item.source_px), str(item.image)]
        for split in report.splits
        for item in split.smallest
    ]
    return format_table(["split", "class", "px", "px in the file", "image"], rows)


def _problem_text(heading: str, kind: Kind, problems: Sequence[Problem], shown: int) -> str:
    lines = [f"{heading}: {kind.title}: {len(problems)}", *(f"  {problem}" for problem in problems[:shown])]
    if len(problems) > shown:
        lines.append(f"  and {len(problems) - shown} more (--show N, or --json for all)")
    return "\n".join([*lines, f"  what to do: {kind.advice}"])


def _split_dict(split: SplitStatistics) -> dict[str, Any]:
    content = dataclasses.asdict(split)
    del content["name"]
    content["smallest"] = [{**item, "image": str(item["image"])} for item in content["smallest"]]
    content["image_sizes"] = [
        {"height": height, "width": width, "images": count} for (height, width), count in split.image_sizes
    ]
    return content


def _image_sizes(split: SplitStatistics) -> str:
    shown = [f"{width}x{height} ({count})" for (height, width), count in split.image_sizes[:_SHOWN_SIZES]]
    more = len(split.image_sizes) - len(shown)
    return ", ".join(shown) + (f" and {_count(more, 'other')}" if more else "")


def _pair(size: tuple[float, float]) -> str:
    return f"{size[0]:.1f}x{size[1]:.1f}"


def _px(value: float) -> str:
    return f"{value:.1f}"


def _count(number: int, word: str, plural: str = "s") -> str:
    return f"{number} {word}{'' if number == 1 else plural}"
