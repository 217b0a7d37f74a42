"""How many engines a run takes, and loading them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from yolo_edge.commands.arguments import cpu_arguments, detector_arguments

if TYPE_CHECKING:
    from yolo_edge.bundle import Bundle
    from yolo_edge.cpu_plan import CpuPlan
    from yolo_edge.detector import Detector
    from yolo_edge.progress import Progress
    from yolo_edge.sources import Source

MANY_FRAMES = 100
"""Loading a second engine takes up to 0.2 s; it saves one to some milliseconds a frame."""


def plan_engines(
    args: argparse.Namespace,
    bundle: Bundle,
    plan: CpuPlan,
    sources: Sequence[Source],
    *,
    workers: int | None,
    threads: int | None,
) -> list[CpuPlan]:
    """A plan for each engine.

    Args:
        args: Parsed flags, with what ``tune`` found filled in.
        bundle: What will run.
        plan: The CPUs of all engines.
        sources: What will be looked at.
        workers: The engines that the user asked for; None leaves it open.
        threads: The threads of each that the user asked for; None leaves it open.

    Raises:
        ValueError: More engines than CPUs.
    """
    from yolo_edge.cpu_plan import plan_cpus, plan_workers

    few = _has_few_frames(sources, args.max_frames)
    nothing_chosen = args.workers is None and all(value is None for value in cpu_arguments(args).values())
    if nothing_chosen and not few and not any(source.live for source in sources):
        return plan_workers(plan, _workers_for_files(args, bundle, plan))
    plans = plan_workers(plan, 1 if args.workers is None else args.workers, args.threads)
    if few and workers is None and len(plans) > 1:
        # Tuned for several engines; one alone has the CPUs of all of them.
        return [plan_cpus(threads, affinity=plan.engine_cpus, topology=plan.topology)]
    return plans


def load_engines(
    args: argparse.Namespace, bundle: Bundle, plans: Sequence[CpuPlan], stack: ExitStack
) -> list[Detector]:
    """A detector for each plan; the stack closes them."""
    from yolo_edge.detector import Detector

    arguments = detector_arguments(args)
    detectors = []
    for plan in plans:
        arguments.update(cluster=None, affinity=plan.engine_cpus, threads=plan.threads)
        detectors.append(stack.enter_context(Detector(bundle, **arguments)))
    return detectors


def introduce_engines(args: argparse.Namespace, detectors: Sequence[Detector], progress: Progress) -> None:
    """Says what runs, and how."""
    for detector in detectors:
        progress.message(detector.describe())
    if len(detectors) > 1 and detectors[0].holds_gil:
        progress.message(
            f"warning: the Python package of engine {detectors[0].engine} lets only one worker compute at a "
            "time; build the engine into yolo-edge, or take another one"
        )
    if len(detectors) > 1 and args.workers is None:
        progress.message(f"{len(detectors)} engines, as one would wait for its CPUs (--workers 1 takes one)")


def _workers_for_files(args: argparse.Namespace, bundle: Bundle, plan: CpuPlan) -> int:
    from yolo_edge.cpu_plan import workers_for_files
    from yolo_edge.engines import engine_class, native_version, select_target

    kind = engine_class(select_target(bundle, args.engine, args.precision).engine)
    if native_version(kind.name) is None and kind.holds_gil():
        return 1  # the others would only wait for the one that computes
    return workers_for_files(plan, shares_workers=kind.shares_workers)


def _has_few_frames(sources: Sequence[Source], max_frames: int | None) -> bool:
    """Whether the run is over before several engines pay."""
    if max_frames is not None and max_frames < MANY_FRAMES:
        return True
    counts = [source.frame_count for source in sources]
    return None not in counts and sum(count for count in counts if count is not None) < MANY_FRAMES
