"""Time of a video frame against what users would otherwise run: whole processes in turn, start-up taken out.

    python benchmarks/peers.py VIDEO --ours 'yolo-edge run --model n.edge --jsonl /dev/null {video}' \\
        --peer detect.py='python yolov5/detect.py --weights n.onnx --nosave --source {video}' \\
        --peer stages='python benchmarks/sequential.py n.edge {video}' [--rounds 9] [--out FILE]

Every command runs on a short and on a long cut of the video, in turn with the others. What the long cut takes
beyond the short one, divided by the frames it has more, is the time of a frame: start-up and loading cancel
out. A peer's command is the user's own: its program, weights and licence. ``{video}`` stands for the cut.
Several ``--ours NAME=COMMAND`` show what each step brings; ratios are over the first of ours.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import tempfile
import time
from pathlib import Path

import av
from pairs import describe_machine, paired_ratio, summary


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("video", type=Path)
    parser.add_argument("--ours", action="append", required=True, metavar="[NAME=]COMMAND")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=COMMAND")
    parser.add_argument("--short", type=int, default=20, metavar="FRAMES")
    parser.add_argument("--long", type=int, default=120, metavar="FRAMES")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--out", type=Path, help="where the JSON goes")
    args = parser.parse_args()

    commands = dict(named(text, f"ours {number}") for number, text in enumerate(args.ours, 1))
    first = next(iter(commands))
    commands |= dict(named(text, f"peer {number}") for number, text in enumerate(args.peer, 1))
    with tempfile.TemporaryDirectory() as folder:
        short, long = Path(folder) / f"short{args.video.suffix}", Path(folder) / f"long{args.video.suffix}"
        more = cut(args.video, long, args.long) - cut(args.video, short, args.short)
        frame_ms: dict[str, list[float]] = {name: [] for name in commands}
        start_s: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(args.rounds + 1):  # the first round warms up
            for name, command in commands.items():
                short_s, long_s = seconds(command, short), seconds(command, long)
                frame_ms[name].append((long_s - short_s) / more * 1e3)
                start_s[name].append(short_s - args.short * frame_ms[name][-1] / 1e3)
    machine = describe_machine("onnxruntime", "ncnn", "openvino", "MNN", "opencv-python-headless", "numpy")
    report: dict[str, object] = {
        "machine": machine,
        "video": args.video.name,
        "frames": [args.short, args.long],
    }
    print("machine:", json.dumps(machine))
    print(f"{'':28} {'ms a frame':>10} {'p95':>7} {'fps':>6} {'start s':>8}  time over {first} [95 %]")
    for name, command in commands.items():
        times = summary(frame_ms[name][1:])
        ratio = paired_ratio(frame_ms[name][1:], frame_ms[first][1:])
        start = summary(start_s[name][1:])
        report[name] = {"command": command, "frame_ms": times, "start_s": start, "over_ours": ratio}
        low, high = ratio["interval_95"]
        print(
            f"{name:28} {times['median']:10.2f} {times['p95']:7.2f} {1e3 / times['median']:6.1f} "
            f"{start['median']:8.2f}  {ratio['median']:.2f} [{low:.2f}, {high:.2f}]"
        )
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n")


def named(text: str, otherwise: str) -> tuple[str, str]:
    """Splits ``NAME=COMMAND``; a command may hold further equals signs, a name no space."""
    name, equals, command = text.partition("=")
    return (name, command) if equals and " " not in name else (otherwise, text)


def cut(video: Path, out: Path, frames: int) -> int:
    """Copies the first packets of a video as they are; returns how many there were."""
    copied = 0
    with av.open(str(video)) as source, av.open(str(out), "w") as target:
        stream = source.streams.video[0]
        written = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if copied == frames or packet.dts is None:
                break
            packet.stream = written
            target.mux(packet)
            copied += 1
    return copied


def seconds(command: str, video: Path) -> float:
    """Wall time of a whole process."""
    words = [word.replace("{video}", str(video)) for word in shlex.split(command)]
    started = time.perf_counter()
    done = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{words[0]} failed with {done.returncode}: {done.stderr[-2000:]}")
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
