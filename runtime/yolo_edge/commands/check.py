"""Test a bundle on this machine against the checkpoint's own results.

Letterbox, network, decoding and NMS run on the image in the bundle's golden.npz. Exit code 1 when a target
that can run here is out of tolerance.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from yolo_edge.commands.arguments import (
    add_engine,
    add_model,
    bad_arguments,
    chosen_model,
    engine_arguments,
    shown_warnings,
)

if TYPE_CHECKING:
    from yolo_edge.bundle import Bundle, Target
    from yolo_edge.checking.bundle_check import CheckResult


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of ``check``."""
    add_model(parser, positional=True)
    add_engine(parser, default="all")
    parser.add_argument("--json", action="store_true", help="the results as JSON on standard output")


def _targets(bundle: Bundle, engine: str, precision: str) -> list[Target]:
    """What to test of an engine: each of its targets, or the one for the precision that was asked for."""
    from yolo_edge.engines import select_target

    if precision != "auto" or engine == "auto":
        return [select_target(bundle, engine, precision)]
    found = [target for target in bundle.targets if target.engine == engine]
    return found or [select_target(bundle, engine)]


def execute(args: argparse.Namespace) -> int:
    """Runs the command; returns 1 when a target failed."""
    import dataclasses

    from yolo_edge.bundle import load_bundle
    from yolo_edge.checking import check_bundle
    from yolo_edge.engines import engine_names
    from yolo_edge.errors import BundleError, EngineError, MissingExtraError
    from yolo_edge.options import INT8_PRECISIONS
    from yolo_edge.table import format_table

    bundle = load_bundle(chosen_model(args.model))
    held = sorted({target.engine for target in bundle.targets})
    results, failures = [], []
    engines = held if args.engine == "all" else [args.engine]
    for engine in engines:
        try:
            if args.engine == "all" and engine not in engine_names():
                raise BundleError(
                    f"{bundle.title} has a target for engine {engine!r}, which this version does not know"
                )
            with bad_arguments(args), shown_warnings(args):
                for target in _targets(bundle, engine, args.precision):
                    arguments = engine_arguments(args)
                    if args.precision == "auto" and target.weights in INT8_PRECISIONS:
                        arguments["precision"] = target.weights
                    results.append(check_bundle(bundle.only(target), target.engine, **arguments))
        except (BundleError, EngineError, MissingExtraError) as error:
            if len(engines) == 1:
                raise
            failures.append(str(error))
    passed = bool(results) and not failures and all(result.passed for result in results)
    if args.json:
        rows = [{**dataclasses.asdict(result), "passed": result.passed} for result in results]
        report = {
            "bundle": str(bundle.path),
            "imported": bundle.imported,
            "passed": passed,
            "results": rows,
            "errors": failures,
        }
        sys.stdout.write(json.dumps(report) + "\n")
    else:
        header = ["engine", "weights", "compute", "letterbox", "head error", "boxes", "inference", ""]
        rows_text = [
            [
                result.engine,
                result.weights,
                result.compute,
                "exact" if result.letterbox_exact else "DIFFERS",
                _head_errors(result),
                f"{result.box_agreement:.1%} of {result.boxes}",
                f"{result.inference_ms:.1f} ms",
                "ok" if result.passed else "FAILED",
            ]
            for result in results
        ]
        sys.stdout.write(format_table(header, rows_text) + "\n")
        if bundle.imported:
            sys.stdout.write(
                "the bundle was imported: compared with what the file itself gave on the machine that "
                "imported it, not with a checkpoint\n"
            )
        for failure in failures:
            sys.stderr.write(f"yolo-edge check: error: {failure}\n")
    return 0 if passed else 1


def _head_errors(result: CheckResult) -> str:
    """The largest error and its limit; of 8-bit weights also the mean one, which has a limit too."""
    largest = f"max {result.max_head_error:.1e} (limit {result.head_tolerance:.0e})"
    if result.mean_head_tolerance is None:
        return largest
    return f"{largest}, mean {result.mean_head_error:.1e} (limit {result.mean_head_tolerance:.0e})"
