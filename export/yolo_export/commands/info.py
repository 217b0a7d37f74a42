"""``yolo-export info``: what a checkpoint or a network YAML holds, layer by layer."""

from __future__ import annotations

import argparse
import json
import os
import sys
import textwrap
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yolo_edge.options import DEFAULT_SIZE, default_side, parse_size, validate_size
from yolo_edge.packages import require
from yolo_edge.table import format_table

if TYPE_CHECKING:
    from yolo_export.layer_table import LayerRow

__all__ = ["add_arguments", "run"]

_TEXT_WIDTH = 110
#: Bytes of a number that is read or written, in float32.
_BYTES_PER_NUMBER = 4


@dataclass(frozen=True)
class Subject:
    """What is shown, from either source."""

    name: str
    network: Any
    family: str
    names: list[str]
    strides: list[int]
    anchors_px: list[list[tuple[float, float]]]
    training: dict[str, Any]
    notes: list[str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("checkpoint", metavar="CHECKPOINT", type=Path, nargs="?", help="best.pt")
    parser.add_argument(
        "--cfg",
        metavar="NAME",
        help="a network by name or YAML file: untrained, or the one that CHECKPOINT, a state dict or "
        "safetensors file, has the weights of",
    )
    parser.add_argument(
        "--imgsz",
        metavar="SIZE",
        help=f"image size, N or HEIGHTxWIDTH (default: as trained, else {DEFAULT_SIZE})",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument(
        "--graph", metavar="OUT.svg", type=Path, help="also draw the architecture into an SVG file"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="show where an error came from")


def run(args: argparse.Namespace) -> int:
    """Print what the arguments ask for; returns the exit code.

    Raises:
        ValueError: A bad argument.
        CheckpointError: The checkpoint cannot be read.
        ConfigError: The YAML file does not describe a network.
        OSError: The picture cannot be written.
    """
    if args.checkpoint is None and args.cfg is None:
        raise ValueError("give a CHECKPOINT, --cfg NAME, or both for weights without a network")
    if args.graph is not None and args.graph.suffix != ".svg":
        raise ValueError(f"--graph is {args.graph}; it must end in .svg")
    given = parse_size(args.imgsz) if args.imgsz else None
    require("torch", "yolo-export", "pip install torch==2.13.0, then pip install 'yolo-edge[export]'")
    from yolo_export.layer_table import layer_table

    if args.checkpoint is None:
        subject = _from_config(args.cfg)
    else:
        subject = _from_checkpoint(args.checkpoint, args.cfg)
    size_hw = _size(subject, given)
    rows = layer_table(subject.network, size_hw)
    for note in subject.notes:
        sys.stderr.write(f"note: {note}\n")
    if args.graph is not None:
        from yolo_export.graph_svg import draw_graph

        facts = _totals(rows, size_hw)
        picture = draw_graph(rows, title=subject.name, facts=facts, strides=subject.strides)
        _write(args.graph, picture)
        sys.stderr.write(f"wrote {args.graph}\n")
    sys.stdout.write(_as_json(subject, rows, size_hw) if args.json else _as_text(subject, rows, size_hw))
    return 0


def _from_checkpoint(path: Path, cfg: str | None) -> Subject:
    from yolo_export.checkpoint import read_checkpoint

    found = read_checkpoint(path, cfg)
    return Subject(
        path.name,
        found.network,
        found.family,
        found.names,
        found.strides,
        found.anchors_px,
        dict(found.training),
        list(found.notes),
    )


def _from_config(name: str) -> Subject:
    from yolo_export.untrained import describe_config

    label, found = describe_config(name)
    return Subject(
        label,
        found.network,
        found.family,
        found.names,
        found.strides,
        found.anchors_px,
        {},
        list(found.notes),
    )


def _size(subject: Subject, given: tuple[int, int] | None) -> tuple[int, int]:
    from yolo_export.checkpoint.facts import trained_size

    stride = max(subject.strides)
    if given is not None:
        validate_size(given, stride)
        return given
    return trained_size(subject.training, subject.strides) or (default_side(stride), default_side(stride))


def _as_text(subject: Subject, rows: list[LayerRow], size_hw: tuple[int, int]) -> str:
    header = ["layer", "from", "module", "n", "output", "parameters", "MFLOPs", "memory MB"]
    table = format_table(
        header,
        [
            [
                str(row.index),
                " ".join("image" if source < 0 else str(source) for source in row.sources),
                row.module,
                str(row.repeats),
                " ".join("x".join(map(str, shape)) for shape in row.shapes_chw),
                f"{row.parameters:,}",
                f"{row.flops / 1e6:,.1f}",
                f"{row.memory_access * _BYTES_PER_NUMBER / 1e6:,.2f}",
            ]
            for row in rows
        ],
    )
    heads = format_table(
        ["head", "stride", "anchors (width x height in px)"],
        [
            [str(index), str(stride), "  ".join(f"{width:g}x{height:g}" for width, height in anchors)]
            for index, (stride, anchors) in enumerate(zip(subject.strides, subject.anchors_px))
        ],
    )
    last = len(subject.names) - 1
    if subject.names == [f"class{index}" for index in range(last + 1)]:
        names = f"without names, class0 to class{last}"
    else:
        names = ", ".join(f"{index} {name}" for index, name in enumerate(subject.names))
    lines = [
        table,
        "",
        f"{subject.name}: {subject.family}, {len(subject.names)} classes, {_totals(rows, size_hw)}",
        "",
        heads,
        "",
        textwrap.fill(f"classes: {names}", _TEXT_WIDTH, subsequent_indent="  "),
    ]
    if subject.training:
        facts = ", ".join(f"{key} {value}" for key, value in subject.training.items())
        lines.append(textwrap.fill(f"training: {facts}", _TEXT_WIDTH, subsequent_indent="  "))
    return "\n".join(lines) + "\n"


def _totals(rows: list[LayerRow], size_hw: tuple[int, int]) -> str:
    moved = sum(row.memory_access for row in rows) * _BYTES_PER_NUMBER
    return (
        f"{sum(row.parameters for row in rows):,} parameters; one {size_hw[0]}x{size_hw[1]} image: "
        f"{sum(row.flops for row in rows) / 1e9:.2f} GFLOPs, {moved / 1e6:.0f} MB of memory access in float32"
    )


def _as_json(subject: Subject, rows: list[LayerRow], size_hw: tuple[int, int]) -> str:
    content = {
        "name": subject.name,
        "family": subject.family,
        "names": subject.names,
        "size_hw": list(size_hw),
        "parameters": sum(row.parameters for row in rows),
        "flops": sum(row.flops for row in rows),
        "memory_access": sum(row.memory_access for row in rows),
        "heads": [
            {"stride": stride, "anchors_px": [list(anchor) for anchor in anchors]}
            for stride, anchors in zip(subject.strides, subject.anchors_px)
        ],
        "training": subject.training,
        "layers": [asdict(row) for row in rows],
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _write(path: Path, text: str) -> None:
    """Write beside and rename, so that a failure leaves no half of a file."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
