"""Measure the installed engines side by side on this machine: time by stage and frames per second.

Every installed engine that the bundle has a target for is a row, or two where it is compiled in and installed
as a package as well. Rows are warmed up until they get no faster and then measured in turn, so that what else
runs here touches all alike. SOURCE (an image, folder, pattern or video file) brings frames and the time of
decoding them; without one a drawn picture of 1280x720 is used.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yolo_edge.commands.arguments import (
    add_engine,
    add_network,
    bad_arguments,
    chosen_model,
    cpu_arguments,
    shown_warnings,
    split_list,
)
from yolo_edge.commands.json_output import check_outputs, put_report
from yolo_edge.commands.measuring_arguments import add_measured, add_table, measured_network
from yolo_edge.tuning.comparison import STAGES, ComparisonOptions

if TYPE_CHECKING:
    from yolo_edge.bundle import Bundle
    from yolo_edge.tuning.candidates import Candidate
    from yolo_edge.tuning.comparison import ComparedRow, Comparison
    from yolo_edge.tuning.measure import Network
    from yolo_edge.tuning.statistics import Ratio

_DEFAULTS = ComparisonOptions()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of ``bench``."""
    add_measured(parser)
    add_engine(parser, default="all", more=", several separated by commas, auto (what run would take)")
    add_network(parser)
    measurement = parser.add_argument_group("measurement")
    measurement.add_argument(
        "--pairs",
        type=int,
        default=_DEFAULTS.pairs,
        metavar="N",
        help="runs of each row that count (default: %(default)s)",
    )
    measurement.add_argument(
        "--warmup",
        type=int,
        metavar="N",
        help="runs of each row before that (default: until it gets no faster)",
    )
    outputs = add_table(parser)
    outputs.add_argument("--plot", metavar="PATH", type=Path, help="a chart (.png, .svg, .pdf); extra [plot]")


def execute(args: argparse.Namespace) -> int:
    """Runs the command; returns 1 when a row failed."""
    from yolo_edge.bundle import load_bundle
    from yolo_edge.packages import require_matplotlib
    from yolo_edge.progress import Progress
    from yolo_edge.tuning.chart import draw_chart
    from yolo_edge.tuning.comparison import compare, new_comparison
    from yolo_edge.tuning.machine import read_machine

    check_outputs(args.json, args.plot)
    if args.plot is not None:
        require_matplotlib("--plot")
    progress = Progress(quiet=args.quiet)
    with bad_arguments(args), shown_warnings(args):
        options = ComparisonOptions(args.pairs, args.warmup)
        bundle = load_bundle(chosen_model(args.model, quiet=args.quiet))
        network = measured_network(args, bundle)
        comparison = new_comparison(_rows(args, bundle, network), network)
    interrupted = False
    try:
        compare(comparison, network, options, progress=progress)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        progress.clear()
    machine = read_machine()
    height, width = network.size_hw
    what = f"{bundle.title} at {height}x{width} {network.letterbox}, {args.source or 'a drawn picture'}"
    report = {"model": str(bundle.path), "source": args.source, "machine": dataclasses.asdict(machine)}
    report |= {"size_hw": network.size_hw, "letterbox": network.letterbox, "interrupted": interrupted}
    text = f"{what}\n{machine.describe()}\n\n{_as_text(comparison)}"
    put_report(args.json, {**report, **_as_dict(comparison)}, text)
    if args.plot is not None and comparison.measured:
        rows = sorted(comparison.measured, key=lambda row: row.summary("pipeline")["median"])
        draw_chart(rows, f"{Path(bundle.title).stem}, {height}x{width}", machine.describe(), args.plot)
        if not args.quiet:
            progress.message(f"wrote {args.plot}")
    if interrupted:
        return 130
    return 1 if any(row.fault for row in comparison.rows) else 0


def _rows(args: argparse.Namespace, bundle: Bundle, network: Network) -> list[ComparedRow]:
    """A row for each engine that was asked for.

    Raises:
        ValueError: A bad argument.
        BundleError: The bundle has no target for an engine that was named, or not in this precision.
        MissingExtraError: No engine is installed, or one that was named is not.
    """
    import warnings

    from yolo_edge.cpu_plan import plan_cpus
    from yolo_edge.engines import choose_precision, engine_class, select_target
    from yolo_edge.errors import MissingExtraError
    from yolo_edge.tuning.candidates import Candidate, Runtime, runtimes_of, without_int8
    from yolo_edge.tuning.comparison import ComparedRow

    plan = plan_cpus(**cpu_arguments(args))
    if plan.warning:
        warnings.warn(plan.warning, stacklevel=1)

    def row(runtime: Runtime, label: str) -> ComparedRow:
        precision = choose_precision(select_target(bundle, runtime.engine, args.precision), args.precision)
        cpus = str(plan.engine_cpus)
        return ComparedRow(Candidate(runtime.engine, runtime.native, precision, plan.threads, cpus), label)

    if args.engine == "all":
        installed = runtimes_of(bundle)
        found = [r for r in installed if args.precision in r.precisions]
        if args.precision == "auto":
            found = without_int8(installed)
        if not found:
            if args.precision == "auto" or not installed:
                select_target(bundle, "auto")  # says what to install or to ask for
            raise ValueError(f"no installed engine of {bundle.title} computes in {args.precision}")
        return [row(runtime, runtime.title) for runtime in found]
    rows = []
    for name in split_list(args.engine) or ():
        if name == "auto" and (tuned := _tuned(args, bundle, network)) is not None:
            rows.append(ComparedRow(tuned, f"auto, tuned: {tuned.title}"))
            continue
        engine = select_target(bundle, name, args.precision).engine
        found = runtimes_of(bundle, [engine])
        if not found:
            raise MissingExtraError(f"engine {engine!r} is not installed: {engine_class(engine).install}")
        if name == "auto":
            rows.append(row(found[0], f"auto: {found[0].title}"))
        else:
            rows += [row(runtime, runtime.title) for runtime in found]
    return rows


def _tuned(args: argparse.Namespace, bundle: Bundle, network: Network) -> Candidate | None:
    """What ``run --engine auto`` would take of what ``tune`` found."""
    from yolo_edge.commands.tuned_engine import wishes_of
    from yolo_edge.tuning.lookup import look_up

    found = look_up(bundle, network.size_hw, network.letterbox, wishes_of(args))
    return found.row.candidate if found.row is not None else None


def _as_text(comparison: Comparison) -> str:
    from yolo_edge.table import format_table

    measured = comparison.measured
    stages = [stage for stage in STAGES if any(row.times(stage) for row in measured)]
    header = ["engine", "precision", "threads", "CPUs", *stages, "engine alone", "median", "p95"]
    header += ["per second", "overlapped", "CPU time", "to the fastest"]
    rows = [
        [
            row.label,
            row.candidate.precision,
            str(row.candidate.threads),
            row.candidate.cpus,
            *(_ms(row.summary(stage)["median"]) for stage in (*stages, "engine", "pipeline")),
            _ms(row.summary("pipeline")["p95"]),
            f"{row.fps:.1f}",
            f"{row.stream_fps:.1f}",
            _ms(row.cpu_ms),
            "1" if row is comparison.fastest else _shown(row.ratio_to(comparison.fastest)),
        ]
        for row in measured
    ]
    lines = [format_table(header, rows)] if rows else []
    if rows:
        fastest = comparison.fastest
        count = len(fastest.times("pipeline"))
        lines += ["", f"{count} runs a row, {len(fastest.blocks)} rounds in turn; brackets: 95 % interval"]
        lines.append(f"pipeline / engine alone of {fastest.label}: {_shown(fastest.pipeline_to_engine())}")
    lines += [f"{row.label}: failed: {row.fault}" for row in comparison.rows if row.fault]
    return "\n".join([*lines, *comparison.conditions.notes()])


def _as_dict(comparison: Comparison) -> dict[str, Any]:
    from yolo_edge import __version__

    return {
        "yolo_edge": __version__,
        "rows": [_row_as_dict(row, comparison) for row in comparison.measured],
        "failed": [{"label": row.label, "reason": row.fault} for row in comparison.rows if row.fault],
        "conditions": comparison.conditions.as_dict(),
    }


def _row_as_dict(row: ComparedRow, comparison: Comparison) -> dict[str, Any]:
    from yolo_edge.engines import engine_class, native_version

    candidate = row.candidate
    name = candidate.engine
    stages = ("pipeline", *(stage for stage in STAGES if row.times(stage)), "engine")
    return {
        "label": row.label,
        **dataclasses.asdict(candidate),
        "engine_version": native_version(name) if candidate.native else engine_class(name).version(),
        "pairs": len(row.times("pipeline")),
        "times_ms": {stage: row.summary(stage) for stage in stages},
        "fps": row.fps,
        "engine_fps": 1e3 / row.summary("engine")["median"],
        "stream_fps": row.stream_fps,
        "cpu_ms": row.cpu_ms,
        "pipeline_to_engine": _ratio_as_dict(row.pipeline_to_engine()),
        "to_fastest": _ratio_as_dict(row.ratio_to(comparison.fastest)),
        "fault": row.fault,
    }


def _ratio_as_dict(ratio: Ratio) -> dict[str, Any]:
    from yolo_edge.tuning.statistics import is_known

    interval = [ratio.low, ratio.high] if is_known(ratio) else None
    return {"median": ratio.median, "interval_95": interval}


def _shown(ratio: Ratio) -> str:
    from yolo_edge.tuning.statistics import is_known

    interval = f" [{ratio.low:.3f}, {ratio.high:.3f}]" if is_known(ratio) else ""
    return f"{ratio.median:.3f}{interval}"


def _ms(value: float) -> str:
    return f"{value:.2f} ms"
