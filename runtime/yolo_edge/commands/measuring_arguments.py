"""What ``bench`` and ``tune`` share: what they measure, and where the table goes."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from yolo_edge.commands.arguments import add_model, network_size
from yolo_edge.commands.json_output import add_json

if TYPE_CHECKING:
    from yolo_edge.bundle import Bundle
    from yolo_edge.tuning.measure import Network


def add_measured(parser: argparse.ArgumentParser) -> None:
    """Adds ``[BUNDLE] [SOURCE]``."""
    add_model(parser, positional=True)
    parser.add_argument(
        "source",
        metavar="SOURCE",
        nargs="?",
        help="images or a video file to measure with (default: a drawn picture of 1280x720)",
    )


def add_table(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Adds ``--json`` and ``--quiet``; returns the group, for more."""
    outputs = parser.add_argument_group("outputs")
    add_json(outputs, "the table")
    outputs.add_argument("--quiet", action="store_true", help="no progress, errors only")
    return outputs


def measured_network(args: argparse.Namespace, bundle: Bundle) -> Network:
    """The bundle at the size that was asked for, on the source that was named.

    Raises:
        ValueError: A size that is not one of the model's.
        SourceError: The source cannot be opened, or is a camera.
    """
    from yolo_edge.errors import SourceError
    from yolo_edge.sources import is_live, open_sources, redact
    from yolo_edge.tuning.measure import network_of

    network = network_of(bundle, network_size(args), args.letterbox, args.source)
    if args.source is not None:
        if is_live(args.source):
            raise SourceError(f"{redact(args.source)}: {args.command} measures with files, not with cameras")
        for source in open_sources([args.source]):
            source.close()
    return network
