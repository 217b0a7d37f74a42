"""What a busy process on one of the engine's CPUs does to yolo-edge-native.

    python benchmarks/native_neighbour.py BUNDLE PROGRAM... [--threads 1,2] [--rounds 5] [--out FILE]

Each PROGRAM, for instance two builds with different OpenMP libraries in ncnn, measures its bare engine with
``bench``, in turn: alone, and beside a process that counts in a loop, bound to the last allowed CPU. Samples
are medians of one run; the table holds their median and the worst 95th percentile.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from pairs import describe_machine, summary

PAIRS = {"alone": 30, "neighbour": 5}
"""Inferences of one run. Beside a neighbour one may take seconds."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("programs", type=Path, nargs="+")
    parser.add_argument("--imgsz", type=int, default=320)
    parser.add_argument("--threads", default="1,2", help="separated by commas (1,2)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="where the JSON goes")
    args = parser.parse_args()
    report = {"machine": describe_machine(), "bundle": args.bundle.name, "imgsz": args.imgsz, "rows": []}
    print("machine:", json.dumps(report["machine"]))
    print(f"{'':10} {'threads':>7} {'median ms':>10} {'p95 ms':>9}  program")
    for state in PAIRS:
        for threads in map(int, args.threads.split(",")):
            for row in measure(state, threads, args):
                report["rows"].append(row)
                print(
                    f"{state:10} {threads:>7} {row['engine_ms']['median']:10.2f} {row['p95_ms']:9.2f}  "
                    f"{row['program']}",
                    flush=True,
                )
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n")


def measure(state: str, threads: int, args: argparse.Namespace) -> list[dict[str, object]]:
    """A row for each program."""
    neighbour = None
    if state == "neighbour":
        loop = f"import os; os.sched_setaffinity(0, {{{max(os.sched_getaffinity(0))}}})\nwhile True: pass"
        neighbour = subprocess.Popen([sys.executable, "-c", loop])
    try:
        runs: dict[Path, list[dict[str, float]]] = {program: [] for program in args.programs}
        for _ in range(args.rounds):
            for program, times in runs.items():
                times.append(bench(program, threads, PAIRS[state], args))
    finally:
        if neighbour:
            neighbour.kill()
            neighbour.wait()
    return [
        {
            "state": state,
            "threads": threads,
            "program": str(program),
            "engine_ms": summary([run["median"] for run in times]),
            "p95_ms": max(run["p95"] for run in times),
        }
        for program, times in runs.items()
    ]


def bench(program: Path, threads: int, pairs: int, args: argparse.Namespace) -> dict[str, float]:
    flags = ["--engine", "ncnn", "--imgsz", args.imgsz, "--threads", threads, "--pairs", pairs, "--warmup", 2]
    done = subprocess.run(
        [program, "bench", "--model", args.bundle, *map(str, flags), "--json"],
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)["times_ms"]["engine"]


if __name__ == "__main__":
    main()
