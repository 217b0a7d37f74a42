"""Tell how well a network's anchors fit a dataset, and find anchors that fit it better.

The anchors that were found are printed as lines for the network's YAML file. Training does the same by itself
where the best possible recall is below 0.98 (unless --noautoanchor). Nothing is written beside the data.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yolo_edge.commands.json_output import add_json, check_outputs, put_report
from yolo_edge.options import DEFAULT_SIZE
from yolo_train.anchors.options import ANCHOR_THRESHOLD, GENERATIONS
from yolo_train.commands.check import shown_reading

if TYPE_CHECKING:
    from yolo_train.anchors.recall import Sizes

_CFG = "v5lite-e"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of ``anchors``."""
    parser.add_argument("dataset", metavar="DATASET.yaml", type=Path, help="the dataset YAML")
    network = parser.add_mutually_exclusive_group()
    network.add_argument(
        "--cfg",
        metavar="NAME",
        default=_CFG,
        help="network whose anchors are looked at: a shipped one or a YAML file (default: %(default)s)",
    )
    network.add_argument(
        "--weights", metavar="CHECKPOINT", type=Path, help="or the checkpoint whose anchors are looked at"
    )
    parser.add_argument(
        "--imgsz",
        type=int,
        metavar="N",
        default=DEFAULT_SIZE,
        help="side of the network's input in px (default: %(default)s)",
    )
    parser.add_argument(
        "--count",
        type=int,
        metavar="N",
        help="anchors to find, all heads together (default: as many as the network has)",
    )
    parser.add_argument(
        "--anchor-t",
        type=float,
        metavar="RATIO",
        default=ANCHOR_THRESHOLD,
        help="largest ratio of an object's sides to its anchor's, above 1 (default: %(default)g)",
    )
    parser.add_argument(
        "--generations",
        type=int,
        metavar="N",
        default=GENERATIONS,
        help="mutations to try after k-means (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, metavar="N", default=0, help="of the search (default: %(default)s)"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress")
    add_json(parser, "the report")


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    from yolo_train.anchors.evolution import evolve_anchors
    from yolo_train.anchors.fit import object_sizes
    from yolo_train.datasets import open_training_dataset

    check_outputs(args.json)
    if args.imgsz < 1:
        raise ValueError(f"--imgsz is {args.imgsz}; it must be a positive number of pixels")
    if not args.anchor_t > 1:
        raise ValueError(f"--anchor-t is {args.anchor_t:g}; it must be above 1")
    if args.count is not None and args.count < 1:
        raise ValueError(f"--count is {args.count}; it must be at least 1")
    name, heads = _of_checkpoint(args.weights) if args.weights else _of_config(args.cfg)
    count = args.count if args.count is not None else sum(map(len, heads))
    if not count:
        raise ValueError(f"{name} lists no anchors in px; say with --count N how many to find")
    with shown_reading(args.dataset, quiet=args.quiet) as progress:
        dataset = open_training_dataset(args.dataset, progress=progress)
    sizes = object_sizes(dataset.train, args.imgsz)
    found = evolve_anchors(
        sizes, count, threshold=args.anchor_t, generations=args.generations, seed=args.seed
    )
    found_heads = _in_heads(found.tolist(), [len(head) for head in heads])
    report: dict[str, Any] = {
        "dataset": str(args.dataset),
        "images": len(dataset.train),
        "objects": len(sizes),
        "imgsz": args.imgsz,
        "anchor_t": args.anchor_t,
        "network": name,
        "given": _figures(sizes, heads, args.anchor_t) if heads else None,
        "found": _figures(sizes, found_heads, args.anchor_t),
    }
    put_report(args.json, report, _as_text(report))
    return 0


def _of_checkpoint(path: Path) -> tuple[str, list[list[list[float]]]]:
    """A checkpoint's name, and the anchors of its heads."""
    from yolo_export.checkpoint import read_checkpoint

    anchors_px = read_checkpoint(path).anchors_px
    return path.name, _smallest_first([[[w, h] for w, h in head] for head in anchors_px])


def _of_config(cfg: str) -> tuple[str, list[list[list[float]]]]:
    """A network's name, and the anchors of its heads, where it lists any."""
    from yolo_export.configs import load_config

    name, description = load_config(cfg)
    return name, _listed_anchors(name, description.get("anchors"))


def _smallest_first(heads: list[list[list[float]]]) -> list[list[list[float]]]:
    return sorted(heads, key=lambda head: sum(w * h for w, h in head) / len(head))


def _listed_anchors(name: str, listed: Any) -> list[list[list[float]]]:
    """The anchors that a network's YAML lists for each head, the smallest head first; none for a number.

    Raises:
        ValueError: They are neither.
    """
    if listed is None or isinstance(listed, int):
        return []
    rows = listed if isinstance(listed, list) else [listed]
    for row in rows:
        sides = row if isinstance(row, list) else []
        numbers = all(isinstance(side, (int, float)) and side > 0 for side in sides)
        if not sides or len(sides) % 2 or not numbers:
            raise ValueError(
                f"{name}: anchors has {row!r}; it must be a list of widths and heights in px for each head"
            )
    return _smallest_first([[[float(w), float(h)] for w, h in zip(row[::2], row[1::2])] for row in rows])


def _in_heads(anchors: Sequence[list[float]], counts: Sequence[int]) -> list[list[list[float]]]:
    """Shares sorted anchors among heads as they had them; in one list when the numbers do not fit."""
    if sum(counts) != len(anchors):
        per_head = len(anchors) // len(counts) if counts and len(anchors) % len(counts) == 0 else len(anchors)
        counts = [per_head] * (len(anchors) // per_head)
    heads, start = [], 0
    for count in counts:
        heads.append(list(anchors[start : start + count]))
        start += count
    return heads


def _figures(sizes: Sizes, heads: list[list[list[float]]], threshold: float) -> dict[str, Any]:
    from yolo_train.anchors.recall import anchor_fitness, best_possible_recall

    anchors = [pair for head in heads for pair in head]
    recall, matches = best_possible_recall(sizes, anchors, threshold)
    return {
        "recall": round(recall, 4),
        "anchors_per_object": round(matches, 3),
        "fit": round(anchor_fitness(sizes, anchors, threshold), 4),
        "anchors_px": heads,
    }


def _as_text(report: dict[str, Any]) -> str:
    from yolo_edge.table import format_table

    given, found = report["given"], report["found"]
    rows = [
        [label, f"{row['recall']:.4f}", f"{row['anchors_per_object']:.2f}", f"{row['fit']:.4f}"]
        for label, row in ((f"of {report['network']}", given), ("found", found))
        if row is not None
    ]
    counts = f"{report['objects']} objects in {report['images']} training images"
    lines = [
        f"{report['dataset']}: {counts}, at {report['imgsz']} px",
        "",
        format_table(["anchors", "best possible recall", "anchors an object", "fit"], rows),
        "",
    ]
    if given is not None and (found["recall"], found["fit"]) <= (given["recall"], given["fit"]):
        lines += [f"The anchors of {report['network']} fit as well; the search found none better.", ""]
    lines.append("anchors:")
    for head in found["anchors_px"]:
        lines.append("  - [" + ", ".join(f"{side:g}" for pair in head for side in pair) + "]")
    return "\n".join(lines)
