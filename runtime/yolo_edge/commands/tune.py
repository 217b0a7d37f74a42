"""Find the fastest engine, arithmetic, threads and CPUs for a bundle on this machine, by measuring.

What may win has to give the bundle's golden boxes first. The result is stored for this bundle, network size
and machine, and `yolo-edge run` uses it from then on; what the user says with a flag always comes first.
Nothing is stored when it is interrupted.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from yolo_edge.commands.arguments import add_network, bad_arguments, chosen_model, split_list
from yolo_edge.commands.json_output import check_outputs, put_report
from yolo_edge.commands.measuring_arguments import add_measured, add_table, measured_network
from yolo_edge.tuning.options import OBJECTIVES, TuneOptions

if TYPE_CHECKING:
    from yolo_edge.tuning.profile import TunedRow
    from yolo_edge.tuning.tuner import Tuner

_DEFAULTS = TuneOptions()

_USUAL_OBJECTIVES = ("latency", "throughput")
"""What ``run`` can make use of: the one for live sources, the other for files."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of ``tune``."""
    add_measured(parser)
    parser.add_argument(
        "--objective",
        choices=OBJECTIVES,
        help="latency: the way of one frame from image to boxes; throughput: frames per second of a run on a "
        "file, by several engines at once too; efficiency: CPU time of a frame, or energy where the "
        "machine's counters can be read (default: latency, which run then uses for cameras and streams, and "
        "throughput, which it uses for files)",
    )
    parser.add_argument(
        "--budget",
        type=float,
        default=_DEFAULTS.budget_s,
        metavar="SECONDS",
        help="time to measure for, in all; less time tries less, and says what (default: %(default)g)",
    )
    parser.add_argument(
        "--engine",
        metavar="LIST",
        help="engines to choose from, separated by commas (default: all installed)",
    )
    add_network(parser)
    outputs = add_table(parser)
    outputs.add_argument("--no-store", action="store_true", help="only show what was measured")
    parser.add_argument("-v", "--verbose", action="store_true", help="show where an error came from")


def execute(args: argparse.Namespace) -> int:
    """Runs the command; returns 1 when nothing passed or nothing could be stored."""
    from yolo_edge import __version__
    from yolo_edge.bundle import load_bundle
    from yolo_edge.progress import Progress
    from yolo_edge.tuning.machine import read_machine
    from yolo_edge.tuning.tuner import Tuner

    check_outputs(args.json)
    progress = Progress(quiet=args.quiet)
    with bad_arguments(args):
        objectives = [args.objective] if args.objective else _USUAL_OBJECTIVES
        engines = split_list(args.engine)
        TuneOptions(budget_s=args.budget)  # what is refused names what was given, not a part of it
        bundle = load_bundle(chosen_model(args.model, quiet=args.quiet))
        network = measured_network(args, bundle)
        tuners = [
            Tuner(
                bundle,
                network,
                TuneOptions(objective, args.budget / len(objectives), engines),
                progress=progress,
            )
            for objective in objectives
        ]
    machine = read_machine(network.root)
    if not args.quiet:
        height, width = network.size_hw
        size = f"{height}x{width} {network.letterbox}"
        progress.message(f"tuning {bundle.title} at {size} on {machine.describe()}")
    interrupted = False
    try:
        for tuner in tuners:
            tuner.run()
    except KeyboardInterrupt:
        interrupted = True
    finally:
        progress.clear()
    stored = None if interrupted or args.no_store else _store(bundle, machine, tuners)
    report = {
        "yolo_edge": __version__,
        "machine": dataclasses.asdict(machine),
        "tunings": [_as_dict(tuner) for tuner in tuners],
        "stored": stored,
        "interrupted": interrupted,
    }
    lines = []
    for tuner in tuners:
        if tuner.screening.trials:
            lines += [*_as_lines(tuner, interrupted), ""]
    if interrupted:
        lines.append("interrupted: nothing was stored")
    if stored:
        lines.append(f"stored in {stored}; run uses it unless --engine NAME is given")
    put_report(args.json, report, "\n".join(lines).rstrip("\n"))
    return 130 if interrupted else 0


def _store(bundle: Any, machine: Any, tuners: Sequence[Tuner]) -> str:
    """Stores the results; a damaged profile in its place is replaced.

    Raises:
        ProfileError: It cannot be written.
    """
    from yolo_edge.errors import ProfileError
    from yolo_edge.tuning import profile as profiles

    folder = profiles.profiles_folder()
    if folder is None:
        raise ProfileError(
            f"nowhere to store: ${profiles.FOLDER_VARIABLE} is empty or there is no home; "
            "--no-store only shows what was measured"
        )
    path = profiles.profile_path(bundle, machine, folder)
    try:
        profile = profiles.load_profile(path)
    except ProfileError:
        profile = None  # it is written again, which is what its message says
    if profile is None:
        profile = profiles.Profile(profiles.bundle_digest(bundle), dataclasses.asdict(machine))
    profile.put(*(tuner.tuning() for tuner in tuners))
    profiles.store_profile(path, profile)
    return str(path)


def _as_dict(tuner: Tuner) -> dict[str, Any]:
    return {
        **dataclasses.asdict(tuner.tuning()),
        "cost": tuner.cost_name,
        "refused": [
            {"candidate": dataclasses.asdict(row.candidate), "reason": row.fault} for row in tuner.refused()
        ],
        "skipped": tuner.screening.skipped,
        "rounds": tuner.race.rounds if tuner.race is not None else 0,
        "conditions": tuner.conditions.as_dict(),
    }


def _as_lines(tuner: Tuner, interrupted: bool) -> list[str]:
    from yolo_edge.table import format_table

    ranking, refused = tuner.ranking(), tuner.refused()
    header = ["engine", "precision", "threads", "workers", "CPUs", "median", "p95", "per second", "CPU time"]
    header += ["cost to best", "note"]
    rows = [_cells(row, ranking[0]) for row in ranking]
    for refusal in refused:
        rows.append([*_candidate_cells(refusal.candidate), *[""] * 5, refusal.fault])
    lines = [format_table(header, rows), ""]
    lines.append(f"cost: {tuner.cost_name}; ~ was measured once, not in turn with the best")
    if tuner.race is not None and tuner.race.rounds:
        lines.append(f"race: {tuner.race.rounds} rounds in turn; {tuner.race.stopped}")
    lines += [f"not tried: {text}" for text in tuner.screening.skipped]
    lines += tuner.conditions.notes()
    if ranking and not interrupted:
        lines.append(f"best for {tuner.options.objective}: {ranking[0].candidate.describe()}")
    return lines


def _candidate_cells(candidate: Any) -> list[str]:
    return [
        candidate.title,
        candidate.precision,
        str(candidate.threads),
        str(candidate.workers),
        candidate.cpus,
    ]


def _cells(row: TunedRow, best: TunedRow) -> list[str]:
    mark = "" if row.raced or row is best else "~"
    energy = "" if row.joules is None else f"{row.joules * 1e3:.0f} mJ"
    return [
        *_candidate_cells(row.candidate),
        f"{row.median_ms:.2f} ms",
        f"{row.p95_ms:.2f} ms",
        f"{row.fps:.1f}",
        f"{row.cpu_ms:.1f} ms",
        f"{mark}{row.cost_to_best:.3f}",
        energy,
    ]
