"""``--engine auto``: what ``tune`` stored for this bundle and machine, within the flags that were given."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from yolo_edge.commands.arguments import cpu_arguments, network_size

if TYPE_CHECKING:
    from yolo_edge.bundle import Bundle
    from yolo_edge.progress import Progress
    from yolo_edge.tuning.lookup import Wishes


def wishes_of(args: argparse.Namespace) -> Wishes:
    """What the flags of ``add_engine`` fix, but for the engine itself."""
    from yolo_edge.tuning.lookup import Wishes

    workers = getattr(args, "workers", 1)  # a command without the flag runs one
    return Wishes(**cpu_arguments(args), precision=args.precision, workers=workers)


def use_tuning(args: argparse.Namespace, bundle: Bundle, progress: Progress, objective: str) -> None:
    """Fills in what the user left open by what ``tune`` found best; says so.

    Whatever a flag says is kept: a stored row is used only if it agrees with all of them, and with
    ``--engine NAME`` none is.

    Args:
        args: Parsed flags of ``add_engine`` and ``add_network``; changed in place.
        bundle: What will run.
        progress: Where it is said.
        objective: What the run should be best for.

    Raises:
        ValueError: Flags that this machine cannot fulfil.
    """
    if args.engine != "auto":
        return
    from yolo_edge.tuning.lookup import first_time_hint, look_up

    size_hw, letterbox = network_size(args) or bundle.input.size_hw, args.letterbox or bundle.input.letterbox
    found = look_up(bundle, size_hw, letterbox, wishes_of(args), objective)
    if found.row is not None and found.tuning is not None:
        candidate = found.row.candidate
        args.engine, args.native, args.precision = candidate.engine, candidate.native, candidate.precision
        args.threads, args.cluster, args.affinity = candidate.threads, None, candidate.cpus
        args.workers = candidate.workers
        text = (
            f"engine auto: {candidate.describe()}, tuned for {found.tuning.objective} on "
            f"{found.tuning.measured_at[:10]} (--engine NAME ignores it)"
        )
    elif found.problem is not None:
        text = f"{args.parser.prog}: warning: engine auto is not tuned: {found.problem}"
    elif not args.quiet and (hint := first_time_hint()):
        text = f"hint: {hint}"
    else:
        return
    if not args.quiet:
        progress.message(text)
