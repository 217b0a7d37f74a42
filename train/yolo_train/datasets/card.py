"""A dataset card: what a dataset holds, as a README with pictures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from yolo_edge.datasets.labels import LabelledImage
from yolo_edge.errors import SinkError
from yolo_edge.packages import require_matplotlib
from yolo_edge.sinks.files import OutputFolder, replace_output
from yolo_train.datasets.report import DatasetReport
from yolo_train.datasets.statistics import PERCENTILES, SplitStatistics

_MARK = "<!-- written by yolo-train card -->"
_README = "README.md"
_SHOWN = 5


def write_card(
    report: DatasetReport, folder: Path, *, samples: int = 12, seed: int = 0, force: bool = False
) -> list[Path]:
    """Writes ``README.md`` and its pictures.

    Args:
        report: The dataset.
        folder: Where to; it is made if need be.
        samples: Labelled images that are shown of each split; 0 shows none.
        seed: Decides which.
        force: Replace a README.md that is no card.

    Returns:
        The files.

    Raises:
        ValueError: ``samples`` is negative.
        MissingExtraError: matplotlib is not installed.
        SinkError: A file cannot be written, or another README.md is in its place.
        SourceError: An image that is to be shown cannot be read.
    """
    if samples < 0:
        raise ValueError(f"samples is {samples}; it must not be negative")
    require_matplotlib("a dataset card")
    from yolo_edge.val.chart import save_png
    from yolo_train.datasets.pictures import choose_samples, draw_boxes_plot, draw_classes, draw_samples

    OutputFolder(folder)
    readme = folder / _README
    if readme.exists() and not force and not _is_card(readme):
        raise SinkError(f"{readme} exists and is no card; --force replaces it, or choose another --out")
    pictures: dict[str, str] = {}
    for split in report.scan.splits:
        chosen = choose_samples(split, samples, seed)
        if chosen:
            name = f"samples_{split.name}.png"
            title = f"{len(chosen)} of {len(split.images)} images of {split.name}"
            note = _sample_note(chosen, len(report.scan.names))
            save_png(draw_samples(chosen, report.scan.names, title, note), folder / name)
            pictures[name] = f"Labelled images of {split.name}"
    if any(split.objects for split in report.splits):
        save_png(draw_classes(report), folder / "classes.png")
        save_png(draw_boxes_plot(report), folder / "boxes.png")
        pictures["classes.png"] = "Objects by class"
        pictures["boxes.png"] = "Where boxes are, and how large"
    # The text is last: a card that names pictures has them.
    replace_output(readme, card_text(report, pictures).encode())
    return [readme, *(folder / name for name in pictures)]


def card_text(report: DatasetReport, pictures: dict[str, str]) -> str:
    """The card, in Markdown.

    Args:
        report: The dataset.
        pictures: File names of pictures, and what each shows.
    """
    scan = report.scan
    parts = [
        _MARK,
        f"# {_plain(scan.path.stem)}",
        f"{len(scan.names)} classes, {sum(split.images for split in report.splits)} images, "
        f"{sum(split.objects for split in report.splits)} objects, from `{scan.path.name}`. "
        + ("Every image was decoded." if scan.decoded else "Images were judged by their headers."),
        "## Images",
        _table(
            ["split", "images", "with objects", "empty", "no label file", "objects", "per image", "most"],
            [
                [
                    split.name,
                    str(split.images),
                    str(split.with_objects),
                    str(split.empty_files),
                    str(split.missing_files),
                    str(split.objects),
                    f"{split.objects / max(split.images, 1):.1f}",
                    str(split.most_objects),
                ]
                for split in report.splits
            ],
        ),
        *_pictures(pictures, "samples_"),
        "## Classes",
        _class_table(report),
        *_pictures(pictures, "classes"),
        "## Boxes",
        f"In the network's input, {report.imgsz} px on the image's longer side. The columns are percentiles.",
        _table(
            ["", *(f"{p} %" for p in PERCENTILES)],
            [row for split in report.splits if split.objects for row in _size_rows(split)],
        ),
        _table(
            ["split", "under 32 px", "32 to 96 px", "from 96 px"],
            [
                [split.name, *(f"{n / split.objects:.1%}" for n in (split.small, split.medium, split.large))]
                for split in report.splits
                if split.objects
            ],
        ),
        *_pictures(pictures, "boxes"),
        "## Warnings",
        _problem_list(report),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _class_table(report: DatasetReport) -> str:
    header = ["id", "class"]
    for split in report.splits:
        header += [f"{split.name}: objects", "images"]
    rows = [
        [
            str(class_id),
            _plain(name),
            *(
                cell
                for split in report.splits
                for cell in (str(split.class_objects[class_id]), str(split.class_images[class_id]))
            ),
        ]
        for class_id, name in enumerate(report.scan.names)
    ]
    return _table(header, rows)


def _size_rows(split: SplitStatistics) -> list[list[str]]:
    return [
        [f"{split.name}: root of area, px", *(f"{value:.1f}" for value in split.size_percentiles_px)],
        [f"{split.name}: shorter side, px", *(f"{value:.1f}" for value in split.shorter_percentiles_px)],
        [f"{split.name}: width / height", *(f"{value:.2f}" for value in split.aspect_percentiles)],
    ]


def _problem_list(report: DatasetReport) -> str:
    lines = []
    for fault in (True, False):
        for kind, problems in report.scan.problems.of(fault=fault):
            # Nobody who reads the card has the folders of this machine.
            texts = [str(problem).replace(f"{report.scan.root}/", "") for problem in problems[:_SHOWN]]
            places = [_plain(text) for text in texts]
            more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
            heading = "**Fault**: " if fault else ""
            lines.append(f"- {heading}{kind.title}: {len(problems)} ({'; '.join(places + more)})")
    return "\n".join(lines) or "None."


def _pictures(pictures: dict[str, str], start: str) -> list[str]:
    return [f"![{text}]({name})" for name, text in pictures.items() if name.startswith(start)]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(text: str) -> str:
    """Text that Markdown shows as it stands."""
    return re.sub(r"([\\`*_{}\[\]<>#|$~])", r"\\\1", " ".join(text.split()))


def _sample_note(images: Sequence[LabelledImage], count: int) -> str:
    classes = {class_id for image in images for class_id in image.objects.class_id.tolist()}
    return f"chosen to show as many classes as they can: {len(classes)} of {count}"


def _is_card(path: Path) -> bool:
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline().strip() == _MARK
