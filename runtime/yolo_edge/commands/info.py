"""Show this machine, the installed engines and what a bundle holds."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from typing import Any

from yolo_edge.commands.arguments import add_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of ``info``."""
    add_model(parser, positional=True)
    parser.add_argument("--json", action="store_true", help="as JSON on standard output")
    parser.add_argument("-v", "--verbose", action="store_true", help="show where an error came from")


def execute(args: argparse.Namespace) -> int:
    """Runs the command."""
    from yolo_edge.errors import BundleError
    from yolo_edge.model_selection import DEFAULT_MODEL_NOTE, MODEL_VARIABLE, default_model, find_model

    report: dict[str, Any] = {"machine": _machine(), "engines": _engines(), "bundle": None}
    try:
        path = find_model(args.model)
    except BundleError as error:
        if args.model or os.environ.get(MODEL_VARIABLE):
            raise
        report["note"] = str(error)
    else:
        report["bundle"] = _bundle(path)
        if path == default_model():
            report["note"] = DEFAULT_MODEL_NOTE
    sys.stdout.write((json.dumps(report) if args.json else _text(report)) + "\n")
    return 0


def _machine() -> dict[str, Any]:
    from yolo_edge import __version__
    from yolo_edge.cpu_plan import plan_cpus

    plan = plan_cpus()
    topology = plan.topology

    return {
        "yolo_edge": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "clusters": [
            {
                "name": tier.name,
                "cpus": str(tier.cpus),
                "capacity": tier.capacity,
                "max_frequency_khz": tier.max_frequency_khz,
            }
            for tier in topology.tiers
        ],
        "online_cpus": str(topology.online),
        "allowed_cpus": str(topology.allowed),
        "quota_cpus": topology.quota_cpus,
        "engine_cpus": str(plan.engine_cpus),
        "engine_threads": plan.threads,
        "capture_cpus": str(plan.other_cpus),
    }


def _engines() -> dict[str, dict[str, str | None]]:
    """Of each engine the version compiled into the core, which is used, and that of its package."""
    from yolo_edge.engines import engine_class, engine_names, native_version

    return {
        name: {"native": native_version(name), "package": engine_class(name).version()}
        for name in engine_names()
    }


def _bundle(path: Any) -> dict[str, Any]:
    from yolo_edge.bundle import load_bundle

    bundle = load_bundle(path)
    targets = []
    for target in bundle.targets:
        files = bundle.open_files(target)
        targets.append(
            {
                "engine": target.engine,
                "weights": target.weights,
                "compute": list(target.compute),
                "shapes": target.input.shapes,
                "bytes": sum(file.stat().st_size for file in files.values()),
            }
        )
    return {
        "path": str(bundle.path),
        "family": bundle.family,
        "task": bundle.task,
        "names": list(bundle.names),
        "size_hw": list(bundle.input.size_hw),
        "letterbox": bundle.input.letterbox,
        "heads": [
            {"stride": head.stride, "anchors_px": [list(a) for a in head.anchors_px]} for head in bundle.heads
        ],
        "targets": targets,
        "provenance": dict(bundle.provenance),
        "verification": [dict(row) for row in bundle.verification],
    }


def _cluster_row(cluster: dict[str, Any]) -> list[str]:
    khz, capacity = cluster["max_frequency_khz"], cluster["capacity"]
    return [
        cluster["name"],
        cluster["cpus"],
        "-" if capacity is None else str(capacity),
        "-" if khz is None else f"{khz / 1e6:.2f} GHz",
    ]


def _text(report: dict[str, Any]) -> str:
    from yolo_edge.engines import engine_class
    from yolo_edge.table import format_table

    machine = report["machine"]
    lines = [
        f"yolo-edge {machine['yolo_edge']}, Python {machine['python']}, {machine['platform']}",
        "",
        format_table(
            ["cluster", "CPUs", "capacity", "highest frequency"], list(map(_cluster_row, machine["clusters"]))
        ),
        "",
        f"CPUs this process may use: {machine['allowed_cpus']} (online: {machine['online_cpus']})",
    ]
    if machine["quota_cpus"] is not None:
        lines.append(f"its cgroup grants it {machine['quota_cpus']:g} CPUs' worth of time")
    lines.append(
        f"without flags an engine gets {machine['engine_threads']} threads on CPUs {machine['engine_cpus']}, "
        f"cameras are read on {machine['capture_cpus']}"
    )
    lines.append("")
    engines = [
        [
            name,
            found["native"] or "-",
            found["package"] or "-",
            "" if found["native"] or found["package"] else engine_class(name).install,
        ]
        for name, found in report["engines"].items()
    ]
    lines += [format_table(["engine", "compiled in", "package", "to install"], engines), ""]
    if "note" in report:
        lines.append(report["note"])
    bundle = report["bundle"]
    if bundle is None:
        return "\n".join(lines)
    height, width = bundle["size_hw"]
    names = bundle["names"]
    shape = f"{height}x{width} {bundle['letterbox']}"
    lines += [
        f"bundle {bundle['path']}: {bundle['family']}, {len(names)} classes, {shape}",
        "classes: " + ", ".join(f"{i} {name}" for i, name in enumerate(names)),
    ]
    for head in bundle["heads"]:
        anchors = ", ".join(f"{w:g}x{h:g}" for w, h in head["anchors_px"])
        lines.append(f"head of stride {head['stride']}: anchors {anchors} px")
    targets = [
        [
            target["engine"],
            target["weights"],
            ", ".join(target["compute"]),
            "any" if target["shapes"] == "dynamic" else ", ".join(f"{h}x{w}" for h, w in target["shapes"]),
            f"{target['bytes'] / 1e6:.1f} MB",
        ]
        for target in bundle["targets"]
    ]
    lines += ["", format_table(["target", "weights", "compute", "shapes", "size"], targets)]
    return "\n".join(lines)
