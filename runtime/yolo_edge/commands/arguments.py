"""Flags that several commands share, and what bad arguments look like."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from yolo_edge.engines import engine_names
from yolo_edge.options import PRECISIONS, DetectOptions, parse_size


def add_model(parser: argparse.ArgumentParser, *, positional: bool, several: bool = False) -> None:
    """Adds the bundle to run, as ``--model BUNDLE`` or as the argument ``[BUNDLE]``.

    With ``several`` the flag may be repeated, and its value is a list or None.
    """
    text = (
        "the bundle; default: $YOLO_EDGE_MODEL, else the only *.edge of the working folder, else the model "
        "that comes with yolo-edge"
    )
    if positional:
        parser.add_argument("model", metavar="BUNDLE", nargs="?", help=text)
    elif several:
        parser.add_argument(
            "--model", metavar="BUNDLE", action="append", help=f"{text}; give it again to compare bundles"
        )
    else:
        parser.add_argument("--model", metavar="BUNDLE", help=text)


def chosen_model(given: str | None, *, quiet: bool = False) -> Path:
    """The bundle that a command runs; says on standard error when it is the package's own.

    Raises:
        BundleError: There is no telling which.
    """
    from yolo_edge.model_selection import DEFAULT_MODEL_NOTE, default_model, find_model

    path = find_model(given)
    if not quiet and path == default_model():
        sys.stderr.write(DEFAULT_MODEL_NOTE + "\n")
    return path


def add_engine(
    parser: argparse.ArgumentParser, default: str, more: str = "", auto: str = "", *, several: bool = False
) -> None:
    """Adds ``--engine`` and how it runs; :func:`engine_arguments` hands them to a Detector.

    Args:
        parser: The command's.
        default: What ``--engine`` is when it is not given.
        more: Other values that it may have.
        auto: What the default means, where that is more than an engine's name.
        several: The values of ``--engine`` and ``--precision`` are lists with commas, for
            :func:`split_list`, in which ``all`` may stand.
    """
    parser.add_argument(
        "--engine",
        metavar="LIST" if several else "NAME",
        default=default,
        help=f"{', '.join(engine_names())}{more} or {default}{f', {auto}' if auto else ''} "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="threads of one inference (default: one for each CPU it may run on)",
    )
    cpus = parser.add_mutually_exclusive_group()
    cpus.add_argument(
        "--cluster",
        metavar="NAME",
        help="cores to run on: all, big, medium or little (default: big; all where they are alike)",
    )
    cpus.add_argument(
        "--affinity", metavar="CPUS", help="CPUs to run on by list (4-7) or mask (0xf0), instead of a cluster"
    )
    parser.add_argument(
        "--precision",
        choices=None if several else PRECISIONS,
        metavar="LIST" if several else None,
        default="auto",
        help=(f"{', '.join(PRECISIONS)} or all, or a list; " if several else "")
        + "arithmetic of the inference, which also says which of the bundle's targets runs; auto is fp32, "
        "with ncnn on CPUs that compute in half precision fp16-storage, never 8-bit weights "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="tell more, and show where an error came from"
    )


def add_network(parser: argparse.ArgumentParser) -> None:
    """Adds ``--imgsz`` and ``--letterbox``."""
    network = parser.add_argument_group("network")
    network.add_argument(
        "--imgsz", metavar="SIZE", help="network size in pixels, N or HEIGHTxWIDTH (default: the bundle's)"
    )
    network.add_argument(
        "--letterbox",
        choices=("rect", "square"),
        help="pad to the next multiple of the stride, or to the full size (default: the bundle's)",
    )


def add_boxes(parser: argparse.ArgumentParser, defaults: DetectOptions) -> argparse._ArgumentGroup:
    """Adds the thresholds and limits that every command has; returns the group, for more."""
    boxes = parser.add_argument_group("boxes")
    for field, kind, metavar, text in (
        ("conf", float, "X", "confidence threshold, 0..1"),
        ("iou", float, "X", "IoU threshold of NMS, 0..1"),
        ("max_detections", int, "N", "boxes kept per image"),
    ):
        boxes.add_argument(
            "--" + field.replace("_", "-"),
            type=kind,
            default=getattr(defaults, field),
            metavar=metavar,
            help=f"{text} (default: %(default)s)",
        )
    return boxes


def split_list(text: str | None) -> list[str] | None:
    """The parts of a flag's value that commas separate; None stays None."""
    return [part.strip() for part in text.split(",")] if text else None


def network_size(args: argparse.Namespace) -> tuple[int, int] | None:
    """What the user said with ``--imgsz``, (height, width).

    Raises:
        ValueError: It is no size.
    """
    return parse_size(args.imgsz) if args.imgsz else None


def cpu_arguments(args: argparse.Namespace) -> dict[str, Any]:
    """What the user said about CPUs with the flags of :func:`add_engine`."""
    return {"threads": args.threads, "cluster": args.cluster, "affinity": args.affinity}


def engine_arguments(args: argparse.Namespace) -> dict[str, Any]:
    """What the user said with the flags of :func:`add_engine`, but for the engine itself."""
    return {**cpu_arguments(args), "precision": args.precision}


def detector_arguments(args: argparse.Namespace) -> dict[str, Any]:
    """What the user said with the flags of :func:`add_engine` and :func:`add_network`, for a Detector.

    ``args.native`` is no flag: :func:`~yolo_edge.commands.tuned_engine.use_tuning` sets it.

    Raises:
        ValueError: ``--imgsz`` is no size.
    """
    return {
        "engine": args.engine,
        "native": getattr(args, "native", None),
        **engine_arguments(args),
        "imgsz": network_size(args),
        "letterbox": args.letterbox,
    }


@contextmanager
def shown_warnings(args: argparse.Namespace) -> Iterator[None]:
    """Prints warnings as lines of this command."""
    import warnings

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            yield
        finally:
            for warning in caught:
                sys.stderr.write(f"{args.parser.prog}: warning: {warning.message}\n")


@contextmanager
def bad_arguments(args: argparse.Namespace) -> Iterator[None]:
    """Turns a ValueError into a usage error: one line and exit code 2."""
    try:
        yield
    except ValueError as error:
        if args.verbose:
            raise
        args.parser.exit(2, f"{args.parser.prog}: error: {error}\n")
