"""What ``run --engine auto`` takes after ``yolo-edge tune``, against the best row of ``yolo-edge bench``.

    python benchmarks/tune.py BUNDLE [--rounds 30] [--budget 60] [--out FILE]

Runs the real ``tune`` (profiles in a folder of its own), then measures in turn, round by round: the tuned
configuration and each engine at the flags' defaults, with all threads and with one; those that are far behind
after their warm-up are left out. ``auto / best`` is the time of a frame of the tuned one over the best of the
others; the best is chosen by the even rounds and compared over the odd ones, as noise would always favour the
best of the same rounds. The goal is at most 1.03.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from pairs import describe_machine, paired_ratio, summary

from yolo_edge import load_bundle
from yolo_edge.cpu_plan import plan_cpus
from yolo_edge.tuning.candidates import Candidate, runtimes_of
from yolo_edge.tuning.measure import Subject, frames_of_a_block, network_of, warm_up
from yolo_edge.tuning.profile import FOLDER_VARIABLE

FAR = 2.0
"""Rows that take this many times the best one's time after the warm-up are not measured in turn."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--budget", type=float, default=60)
    parser.add_argument("--out", type=Path, help="where the JSON goes")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "yolo_edge.cli", "tune", args.bundle, "--objective", "latency"]
        command += ["--budget", args.budget, "--json", "-", "--quiet"]
        environment = {**os.environ, FOLDER_VARIABLE: folder}
        done = subprocess.run(list(map(str, command)), env=environment, stdout=subprocess.PIPE, check=True)
    tuned = json.loads(done.stdout)
    report = measure(args.bundle, Candidate(**tuned["tunings"][0]["rows"][0]["candidate"]), args.rounds)
    report["machine"] = describe_machine("onnxruntime", "ncnn", "openvino", "mnn")
    report["tune"] = tuned
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n")
    print(f"{args.bundle.name}: tuned: {report['auto']}")
    for label, times in sorted(report["rows"].items(), key=lambda item: item[1]["median"]):
        print(f"  {label:46} {times['median']:8.2f} ms  p95 {times['p95']:8.2f} ms")
    for label, time in report["far_ms"].items():
        print(f"  {label:46} {time:8.2f} ms  when warm; not measured in turn")
    ratio = report["auto_over_best"]
    low, high = ratio["interval_95"]
    print(f"  auto / best ({report['best']}): {ratio['median']:.3f} [{low:.3f}, {high:.3f}]")


def measure(bundle: Path, auto: Candidate, rounds: int) -> dict:
    """Times of all rows, measured in turn."""
    opened = load_bundle(bundle)
    network = network_of(opened)
    plan = plan_cpus()
    candidates = {f"auto: {auto.describe()}": auto}
    for runtime in runtimes_of(opened):
        for threads in {1, plan.threads}:
            candidate = Candidate(
                runtime.engine, runtime.native, runtime.precisions[0], threads, str(plan.engine_cpus)
            )
            candidates[candidate.describe()] = candidate
    with ExitStack() as stack:
        subjects, warm_ms = {}, {}
        for label, candidate in candidates.items():
            subjects[label] = stack.enter_context(Subject(candidate, network))
            warm_ms[label] = warm_up(subjects[label], limit_s=2)
        near = FAR * min(warm_ms.values())
        far = {
            label: time for label, time in warm_ms.items() if time > near and label != next(iter(subjects))
        }
        for label in far:
            subjects.pop(label).close()
        frames = {label: frames_of_a_block(warm_ms[label], 0.1) for label in subjects}
        blocks: dict[str, list[float]] = {label: [] for label in subjects}
        for _ in range(rounds):
            for label, subject in subjects.items():
                blocks[label].append(subject.run(frames[label]).frame_ms)
    rows = {label: summary(times) for label, times in blocks.items()}
    mine, *others = subjects
    best = min(others, key=lambda label: summary(blocks[label][::2])["median"])
    return {
        "bundle": bundle.name,
        "auto": dataclasses.asdict(auto),
        "best": best,
        "rows": rows,
        "far_ms": far,
        "auto_over_best": paired_ratio(blocks[mine][1::2], blocks[best][1::2]),
    }


if __name__ == "__main__":
    main()
