"""Where onnxruntime's time goes in ONNX files, by kind of operator.

    python benchmarks/operators.py MODEL.onnx... [--size 384x640] [--runs 30] [--threads 1]

The operators are those that onnxruntime runs after it has fused and rearranged the graph, so that of a
quantised network one sees what was left in float. The input is random.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import onnxruntime
from pairs import describe_machine

from yolo_edge.options import parse_size
from yolo_edge.table import format_table


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--size", type=parse_size, default=(384, 640), metavar="HEIGHTxWIDTH")
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    print(json.dumps(describe_machine("onnxruntime")))
    for model in args.models:
        times_us, counts = profile(model, args.size, args.runs, args.threads)
        total = sum(times_us.values())
        rows = [
            [kind, f"{counts[kind] // args.runs}", f"{time / args.runs / 1e3:.2f}", f"{time / total:.1%}"]
            for kind, time in times_us.most_common()
        ]
        print(f"\n{model}: {total / args.runs / 1e3:.2f} ms")
        print(format_table(["operator", "number", "ms", "share"], rows))


def profile(
    model: Path, size_hw: tuple[int, int], runs: int, threads: int
) -> tuple[Counter[str], Counter[str]]:
    """Microseconds in all runs and calls, by kind of operator."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.enable_profiling = True
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        tensor = np.random.default_rng(0).random((1, 3, *size_hw), dtype=np.float32)
        for _ in range(runs):
            session.run(None, {session.get_inputs()[0].name: tensor})
        events = json.loads(Path(session.end_profiling()).read_text())
    times_us: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            times_us[event["args"]["op_name"]] += event["dur"]
            counts[event["args"]["op_name"]] += 1
    return times_us, counts


if __name__ == "__main__":
    main()
