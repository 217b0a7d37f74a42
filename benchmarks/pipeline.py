"""What a run costs beyond the network: frames per second of the pipeline and of the bare engine.

    python benchmarks/pipeline.py BUNDLE VIDEO [--engine NAME] [--threads 1] [--workers 1] [--affinity CPUS]
                                  [--imgsz N] [--frames 25] [--pairs 30] [--out FILE]

One row is one engine with so many threads. In turn: the engine alone, computing one input tensor of the
video's shape over and over; ``run`` on the video without an output; ``run`` with ``--jsonl``. Frames per
second of a run are those between its first and its last result. ``run/engine`` is 1 when a run costs nothing
but the network. With ``--workers N`` the runs, and they alone, divide the engine's threads and CPUs among N
engines, as ``yolo-edge run`` does by itself with files where an engine would have every CPU. ``stages`` is
the time of letterbox, decoding and NMS as a share of a frame's time in the run without output: of what an
engine, of which there are N, spends on one. The run does them while the engine computes, on CPUs that it
shares with reading and writing: ``CPU`` is the share without the time in which those had the CPU, for engines
that are Python packages. Rows of another engine, thread or worker count in FILE stay.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from pairs import describe_machine, paired_ratio, summary

from yolo_edge import Detections, DetectOptions, Detector
from yolo_edge.cpu_plan import CpuPlan, plan_cpus, plan_workers
from yolo_edge.inference.packaged import PackagedInference
from yolo_edge.pipeline import RunStatistics, run
from yolo_edge.sinks import Sink
from yolo_edge.sinks.jsonl import JsonLinesSink
from yolo_edge.sources import Frame, open_sources


class CpuTimed:
    """Sums the CPU time that a thread spends in ``run`` of a letterbox or postprocessor."""

    def __init__(self, stage: Any, spent_s: list[float]) -> None:
        self._stage = stage
        self._spent_s = spent_s

    def run(self, *arguments: Any, **named: Any) -> Any:
        before = time.thread_time()
        try:
            return self._stage.run(*arguments, **named)
        finally:
            self._spent_s.append(time.thread_time() - before)


class Clock(Sink):
    """When results came."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def write(self, frame: Frame, detections: Detections) -> None:
        self.times.append(time.perf_counter())

    def fps(self, workers: int) -> float:
        """From the first result on, of several engines from the last one's first: they come together."""
        later = self.times[workers - 1 :]
        return (len(later) - 1) / (later[-1] - later[0])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("video", type=Path)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="engines of a run (1)")
    parser.add_argument("--affinity", help="CPUs of the engine (as yolo-edge run chooses)")
    parser.add_argument("--imgsz", type=int, help="network size (the bundle's)")
    parser.add_argument("--frames", type=int, default=25, help="frames of one measurement (25)")
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--out", type=Path, help="where the JSON goes; other rows in it stay")
    args = parser.parse_args()
    line = measure(args)
    report = json.loads(args.out.read_text()) if args.out and args.out.exists() else {"rows": []}
    versions = ("onnxruntime", "openvino", "ncnn", "numpy", "opencv-python-headless")
    report["machine"] = describe_machine(*versions)
    same = ("bundle", "imgsz", "engine", "threads", "workers", "cpus")
    report["rows"] = [row for row in report["rows"] if any(row[key] != line[key] for key in same)] + [line]
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n")
    print_table(report)


def measure(args: argparse.Namespace) -> dict:
    bare, plain, jsonl, shares, cpu_shares = [], [], [], [], []
    plan = plan_cpus(args.threads, affinity=args.affinity)
    chosen = {"engine": args.engine, "threads": plan.threads, "affinity": plan.engine_cpus}
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        detector = stack.enter_context(Detector(args.bundle, **chosen, imgsz=args.imgsz))
        detectors = [detector]
        if args.workers > 1:
            parts = [
                {**chosen, "threads": part.threads, "affinity": part.engine_cpus}
                for part in plan_workers(plan, args.workers)
            ]
            detectors = [
                stack.enter_context(Detector(args.bundle, **part, imgsz=args.imgsz)) for part in parts
            ]
        spent_s: list[float] = []
        for stages in [each for one in detectors for each in getattr(one.inference, "_stages", [])]:
            stages.letterbox = CpuTimed(stages.letterbox, spent_s)
            stages.postprocessor = CpuTimed(stages.postprocessor, spent_s)
        lines = JsonLinesSink(str(Path(folder) / "out.jsonl"))
        frame = next(iter(open_sources([str(args.video)])[0]))
        for count in [5] + [args.frames] * args.pairs:  # the first warms up
            bare.append(bare_fps(detector, frame.image, count))
            spent_s.clear()
            fps, statistics = run_fps(detectors, plan, args.video, count, [])
            plain.append(fps)
            stage_ms = statistics.stage_ms
            all_ms = statistics.frames * args.workers * 1e3 / fps
            shares.append((stage_ms["letterbox"] + stage_ms["postprocess"]) / all_ms)
            cpu_shares.append(sum(spent_s) * 1e3 / all_ms)
            jsonl.append(run_fps(detectors, plan, args.video, count, [lines])[0])
        lines.close()
        return {
            "bundle": args.bundle.name,
            "imgsz": "x".join(map(str, detector.size_hw)),
            "engine": detector.engine + (" native" if detector.native else ""),
            "threads": detector.threads,
            "workers": args.workers,
            "cpus": str(detector.cpus),
            "frames": args.frames,
            "load_1_min": round(os.getloadavg()[0], 2),
            "engine_fps": summary(bare[1:]),
            "run_fps": summary(plain[1:]),
            "run_over_engine": paired_ratio(plain[1:], bare[1:]),
            "jsonl_over_engine": paired_ratio(jsonl[1:], bare[1:]),
            "stages_share": summary(shares[1:]),
            "stages_cpu_share": summary(cpu_shares[1:]) if spent_s else None,
        }


def bare_fps(detector: Detector, image: np.ndarray, count: int) -> float:
    """The engine alone on its own thread, with nothing between two inferences."""
    inference = detector.inference
    if isinstance(inference, PackagedInference):
        engine = inference._engine
        slot = engine.acquire(detector.geometry(image).tensor_hw)
        slot.input[...] = detector.letterboxed(image)

        def loop() -> float:
            engine._infer(slot)
            started = time.perf_counter()
            for _ in range(count):
                engine._infer(slot)
            return count / (time.perf_counter() - started)

        try:
            return engine._thread.call(loop)
        finally:
            engine.release(slot)
    # The C++ runtime says when its engine began and ended.
    intervals = [detector.detect(image).times for _ in range(count)]
    return count / sum(times.engine_to_s - times.engine_from_s for times in intervals)


def run_fps(
    detectors: list[Detector], plan: CpuPlan, video: Path, count: int, sinks: list[Sink]
) -> tuple[float, RunStatistics]:
    clock = Clock()
    statistics = run(
        detectors,
        open_sources([str(video)]),
        [*sinks, clock],
        options=DetectOptions(),
        max_frames=count,
        cpus=plan.other_cpus,
    )
    return clock.fps(len(detectors)), statistics


def print_table(report: dict) -> None:
    print("machine:", json.dumps(report["machine"]))
    print(
        f"{'bundle':14} {'size':9} {'engine':12} {'threads':>7} {'workers':>7} {'CPUs':>5} {'load':>5} "
        f"{'engine/s':>8} {'run/s':>7}  {'run/engine [95 %]':22} {'with --jsonl [95 %]':22} stages    CPU"
    )
    for row in report["rows"]:
        cpu = row.get("stages_cpu_share")
        print(
            f"{row['bundle']:14} {row['imgsz']:9} {row['engine']:12} {row['threads']:>7} "
            f"{row['workers']:>7} {row['cpus']:>5} {row['load_1_min']:>5} "
            f"{row['engine_fps']['median']:8.1f} {row['run_fps']['median']:7.1f}  "
            f"{interval(row['run_over_engine']):22} {interval(row['jsonl_over_engine']):22} "
            f"{row['stages_share']['median']:6.1%} {'' if cpu is None else format(cpu['median'], '6.1%')}"
        )


def interval(ratio: dict) -> str:
    low, high = ratio["interval_95"]
    return f"{ratio['median']:.3f} [{low:.3f}, {high:.3f}]"


if __name__ == "__main__":
    main()
