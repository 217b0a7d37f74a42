"""Turn a dataset of another format into YOLO's, ready for training, or YOLO's into another.

The output is a new folder, which appears when it is whole. Images are linked or copied, and never changed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from yolo_edge.datasets import SPLITS
from yolo_train.converters.base import (
    IMAGE_MODES,
    LabelSource,
    converter_class,
    converter_names,
)

_EXAMPLES = """\
examples:
  yolo-train convert {name} --train LABELS IMAGES --val LABELS IMAGES --out data    to YOLO's form
  yolo-train data/data.yaml                                                        trains on it
  yolo-train convert {name} --from-yolo data/data.yaml --out back                   and back
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of ``convert``, one command for each format."""
    formats = parser.add_subparsers(dest="format", metavar="FORMAT", required=True)
    for name in converter_names():
        converter = converter_class(name)
        command = formats.add_parser(
            name,
            help=f"{converter.title}, to YOLO's form and back",
            description=f"{converter.title} to YOLO's form, or with --from-yolo back. LABELS is "
            f"{converter.labels_help}; IMAGES is the folder of its images.",
            epilog=_EXAMPLES.format(name=name),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        for split in SPLITS:
            command.add_argument(
                f"--{split}",
                nargs=2,
                type=Path,
                metavar=("LABELS", "IMAGES"),
                help=f"what becomes {split}",
            )
        command.add_argument(
            "--from-yolo", type=Path, metavar="DATASET.yaml", help="convert this dataset; its images stay"
        )
        command.add_argument("--out", type=Path, metavar="FOLDER", required=True, help="a new folder")
        command.add_argument(
            "--force", action="store_true", help="replace a folder that an earlier conversion wrote"
        )
        command.add_argument(
            "--images",
            choices=IMAGE_MODES,
            help=f"links to the images, or copies of them (default: {IMAGE_MODES[0]})",
        )
        command.add_argument(
            "--names",
            metavar="LIST",
            help="class names in the order of their ids, separated by commas, or a file with one a line "
            "(default: as the labels have them)",
        )
        command.add_argument("--skip-missing", action="store_true", help="leave out images that do not exist")
        command.add_argument("--quiet", action="store_true", help="no progress")
        converter.add_arguments(command.add_argument_group(converter.title))


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    from yolo_edge.progress import Progress
    from yolo_train.converters.conversion import convert_from_yolo, convert_to_yolo

    converter = converter_class(args.format).from_arguments(args)
    sources = [LabelSource(split, *getattr(args, split)) for split in SPLITS if getattr(args, split)]
    progress = Progress(quiet=args.quiet)
    try:
        if args.from_yolo is not None:
            _refuse_reading_flags(args)
            done = convert_from_yolo(
                converter, args.from_yolo, args.out, force=args.force, steps=progress.status
            )
        else:
            if not sources:
                raise ValueError("name what to convert: --train LABELS IMAGES, or --from-yolo DATASET.yaml")
            done = convert_to_yolo(
                converter,
                sources,
                args.out,
                names=_names(args.names),
                images=args.images or IMAGE_MODES[0],
                skip_missing=args.skip_missing,
                force=args.force,
                steps=progress.status,
            )
    finally:
        progress.clear()
    for note in done.notes:
        progress.message(f"note: {note}")
    for source in done.sources:
        split = source.split
        sys.stdout.write(f"{split}: {done.images[split]} images, {done.objects[split]} objects\n")
        if args.from_yolo is not None:
            sys.stdout.write(f"  labels {source.labels}, images in {source.images}\n")
    sys.stdout.write(f"wrote {done.folder}\n")
    return 0


def _refuse_reading_flags(args: argparse.Namespace) -> None:
    """Raises ValueError for flags that would do nothing."""
    given = [f"--{split}" for split in SPLITS if getattr(args, split)]
    given += [f"--{flag}" for flag in ("images", "names") if getattr(args, flag) is not None]
    given += ["--skip-missing"] if args.skip_missing else []
    if given:
        raise ValueError(f"{', '.join(given)}: for the way to YOLO's form, not for --from-yolo")


def _names(value: str | None) -> list[str] | None:
    if value is None:
        return None
    from yolo_edge.datasets.given_files import is_file, read_given_text

    path = Path(value)
    lines = read_given_text(path).splitlines() if is_file(path) else value.split(",")
    names = [line.strip() for line in lines if line.strip()]
    if not names or len(set(names)) != len(names):
        raise ValueError(f"--names is {value!r}; it must be class names, each once, or a file of them")
    return names
