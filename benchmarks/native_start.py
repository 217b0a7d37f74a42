"""Start-up of yolo-edge-native: from nothing to the boxes of one image; peak memory.

    python benchmarks/native_start.py PROGRAM BUNDLE IMAGE [--imgsz 320] [--pairs 30] [--out FILE]

The program runs with the image once and with the same image eleven times, in turn. A tenth of the
difference is what a further image takes (reading, letterbox, inference, boxes); the rest of the run with
one image is start-up: the process, the bundle and its hashes, the network, and what the first inference
takes beyond a later one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from pathlib import Path

from pairs import describe_machine, summary

MORE = 10


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("program", type=Path)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("image", type=Path)
    parser.add_argument("--imgsz", type=int, default=320)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--out", type=Path, help="where the JSON goes")
    args = parser.parse_args()
    command = [args.program, "run", "--quiet", "--model", args.bundle, "--imgsz", args.imgsz]
    command = [*map(str, command), "--threads", str(args.threads), "--jsonl", "/dev/null"]
    samples = []
    for _ in range(args.pairs + 2):
        one_ms, peak_kb = measure([*command, str(args.image)])
        many_ms, _ = measure([*command, *[str(args.image)] * (1 + MORE)])
        samples.append((one_ms, (many_ms - one_ms) / MORE, peak_kb / 1024))
    samples = samples[2:]
    report = {
        "machine": describe_machine("ncnn"),
        "bundle": args.bundle.name,
        "imgsz": args.imgsz,
        "threads": args.threads,
        "one_image_ms": summary([one for one, _, _ in samples]),
        "further_image_ms": summary([further for _, further, _ in samples]),
        "start_ms": summary([one - further for one, further, _ in samples]),
        "peak_mib": summary([peak for _, _, peak in samples]),
        "program_mb": args.program.stat().st_size / 1e6,
    }
    print("machine:", json.dumps(report["machine"]))
    for name in ("one_image_ms", "further_image_ms", "start_ms", "peak_mib"):
        print(f"{name:18} {report[name]['median']:8.1f}  p95 {report[name]['p95']:8.1f}")
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n")


def measure(command: list[str]) -> tuple[float, int]:
    """Wall time in ms and peak resident memory in KiB of a whole process."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall_ms = (time.perf_counter() - started) * 1e3
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{command[0]} failed")
    return wall_ms, usage.ru_maxrss


if __name__ == "__main__":
    main()
