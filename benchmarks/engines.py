"""The bare network in all engines of a bundle, in turn, and each engine's time against the first one's.

    python benchmarks/engines.py BUNDLE [--imgsz HxW] [--threads N] [--pairs 40] [--first mnn] [--out FILE]

All engines run through their Python packages, on the same CPUs, from an input that is written anew each time.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
from pairs import describe_machine, paired_ratio, summary

from yolo_edge import load_bundle
from yolo_edge._core import CpuSet
from yolo_edge.engines import create_engine
from yolo_edge.engines.base import EngineOptions
from yolo_edge.options import parse_size

_WARM_UP = 5


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--imgsz", type=parse_size, default=(320, 320), help="tensor size, N or HxW")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--first", default="mnn", help="the engine that the others are compared with")
    parser.add_argument("--out", type=Path, help="where the JSON goes")
    args = parser.parse_args()
    bundle = load_bundle(args.bundle)
    cpus = CpuSet(sorted(os.sched_getaffinity(0))[: args.threads])
    options = EngineOptions(threads=args.threads, cpus=cpus)
    engines = [create_engine(target, bundle.open_files(target), options) for target in bundle.targets]
    slots = [engine.acquire(args.imgsz) for engine in engines]
    tensor = np.random.default_rng(0).random(slots[0].input.shape, np.float32)
    times_ms: dict[str, list[float]] = {engine.name: [] for engine in engines}
    for _ in range(args.pairs + _WARM_UP):
        for engine, slot in zip(engines, slots):
            slot.input[...] = tensor
            started = time.perf_counter()
            engine.infer(slot)
            times_ms[engine.name].append((time.perf_counter() - started) * 1e3)
    for engine in engines:
        engine.close()
    first = times_ms[args.first][_WARM_UP:]
    report = {
        "machine": describe_machine(*times_ms),
        "threads": args.threads,
        "size_hw": args.imgsz,
        "engines": {},
    }
    for name, samples in times_ms.items():
        row = {
            "ms": summary(samples[_WARM_UP:]),
            f"over_{args.first}": paired_ratio(samples[_WARM_UP:], first),
        }
        report["engines"][name] = row
        low, high = row[f"over_{args.first}"]["interval_95"]
        ratio = row[f"over_{args.first}"]["median"]
        median, p95 = row["ms"]["median"], row["ms"]["p95"]
        print(f"{name}: {median:.2f} ms (p95 {p95:.2f}), {ratio:.2f} [{low:.2f}, {high:.2f}] of {args.first}")
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
