"""Detect objects in images, folders, videos, cameras and streams.

SOURCE is an image, a folder, a glob pattern, a video file, camN or /dev/videoN, an rtsp:// or http:// URL,
gst:PIPELINE, rpicam: or rpicam:OPTIONS; several run at the same time. demo is a drawn scene with moving
codes, for a first try without a camera.
Results go to the outputs that are asked for; without one, each frame with detections is a line on stdout.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from yolo_edge.commands.arguments import (
    add_boxes,
    add_engine,
    add_model,
    add_network,
    bad_arguments,
    chosen_model,
    cpu_arguments,
    shown_warnings,
    split_list,
)
from yolo_edge.commands.import_arguments import add_import_facts, open_model
from yolo_edge.commands.run_engines import introduce_engines, load_engines, plan_engines
from yolo_edge.commands.source_arguments import add_capture, capture_options
from yolo_edge.commands.tuned_engine import use_tuning
from yolo_edge.options import FILES_AT_ONCE, DetectOptions

if TYPE_CHECKING:
    from contextlib import ExitStack

    from yolo_edge.cpu_plan import CpuPlan
    from yolo_edge.pipeline import RunStatistics
    from yolo_edge.sinks import Sink
    from yolo_edge.sources import Source

_DEFAULTS = DetectOptions()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of ``run``."""
    parser.add_argument(
        "sources", metavar="SOURCE", nargs="+", help="what to look at; several run at the same time"
    )
    add_model(parser, positional=False)
    add_engine(parser, default="auto", auto="what yolo-edge tune found best here, within the other flags")
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="engines that share the work, each with the model loaded and a part of the CPUs (default: what "
        "tune found best; else 2 for files where an engine would have every CPU, and 1 otherwise)",
    )
    add_network(parser)
    add_import_facts(parser)
    boxes = add_boxes(parser, _DEFAULTS)
    boxes.add_argument(
        "--classes", metavar="LIST", help="class ids or names to keep, separated by commas (default: all)"
    )
    boxes.add_argument("--agnostic", action="store_true", help="NMS across classes instead of within each")
    frames = parser.add_argument_group("frames")
    frames.add_argument("--max-frames", type=int, metavar="N", help="stop after N frames")
    frames.add_argument("--every", type=int, default=1, metavar="N", help="take only each N-th frame")
    frames.add_argument(
        "--files-at-once",
        type=int,
        default=FILES_AT_ONCE,
        metavar="N",
        help="video files to read at the same time; 1 runs one after the other (default: %(default)s)",
    )
    add_capture(parser)
    outputs = parser.add_argument_group("outputs")
    outputs.add_argument(
        "--save", metavar="DIR", type=Path, help="annotated images and video (.mp4; .mkv without PyAV)"
    )
    outputs.add_argument("--jsonl", metavar="PATH", help="JSON Lines, one line a frame; - is standard output")
    outputs.add_argument("--save-txt", metavar="DIR", type=Path, help="YOLO label files")
    outputs.add_argument(
        "--save-conf", action="store_true", help="with --save-txt: the confidence as a sixth column"
    )
    outputs.add_argument("--show", action="store_true", help="show the results in a window; q ends")
    outputs.add_argument(
        "--stats",
        metavar="PATH",
        help="figures of the run as JSON, frame ages by source; - is standard output",
    )
    outputs.add_argument("--quiet", action="store_true", help="no progress and no summary, errors only")


def execute(args: argparse.Namespace) -> int:
    """Runs the command; returns 1 when a frame or source failed."""
    _silence_opencv()
    from contextlib import ExitStack

    from yolo_edge import pipeline
    from yolo_edge.cpu_plan import plan_cpus
    from yolo_edge.options import resolve_classes
    from yolo_edge.progress import Progress
    from yolo_edge.sources import is_live, open_sources

    progress = Progress(quiet=args.quiet)
    statistics = pipeline.RunStatistics()
    sinks: list[Sink] = []
    started = interrupted = False
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, _interrupt)
    try:
        with ExitStack() as stack:
            with bad_arguments(args), shown_warnings(args):
                _check_arguments(args)
                options = DetectOptions(
                    conf=args.conf,
                    iou=args.iou,
                    classes=split_list(args.classes),
                    agnostic=args.agnostic,
                    max_detections=args.max_detections,
                )
                bundle = open_model(chosen_model(args.model, quiet=args.quiet), args, progress)
                resolve_classes(options.classes, bundle.names)
                given = {"workers": args.workers, "threads": args.threads}
                live = any(map(is_live, args.sources))
                use_tuning(args, bundle, progress, "latency" if live else "throughput")
                plan = plan_cpus(**cpu_arguments(args))
                sources = open_sources(args.sources, args.every, plan.other_cpus, capture_options(args))
                opened = stack.enter_context(ExitStack())
                for source in sources:
                    opened.callback(source.close)
                plans = plan_engines(args, bundle, plan, sources, **given)
                detectors = load_engines(args, bundle, plans, stack)
            _open_sinks(args, stack, plan, sources, sinks)
            if not args.quiet:
                introduce_engines(args, detectors, progress)
                if args.verbose:
                    progress.message(f"sources are read on CPUs {plan.other_cpus}")
            started = True
            opened.pop_all()  # run() closes them
            try:
                pipeline.run(
                    detectors,
                    sources,
                    sinks,
                    options=options,
                    progress=progress,
                    max_frames=args.max_frames,
                    files_at_once=args.files_at_once,
                    cpus=plan.other_cpus,
                    statistics=statistics,
                )
            except KeyboardInterrupt:
                interrupted = True
            finally:
                progress.clear()
    finally:
        if started:  # whatever ended it: a full disk too
            _summarise(args, statistics, sinks)
    if interrupted:
        return 130
    return 1 if statistics.failures else 0


def _check_arguments(args: argparse.Namespace) -> None:
    """Refuses what is no error of anything else.

    Raises:
        ValueError: A number that is too small, or two outputs for standard output.
    """
    for name in ("max_frames", "files_at_once"):
        value = getattr(args, name)
        if value is not None and value < 1:
            flag = name.replace("_", "-")
            raise ValueError(f"{flag} is {value}; it must be a whole number of at least 1")
    if args.stats == args.jsonl == "-":
        raise ValueError("--stats and --jsonl are both - (standard output); give one of them a file")


def _open_sinks(
    args: argparse.Namespace, stack: ExitStack, plan: CpuPlan, sources: list[Source], sinks: list[Sink]
) -> None:
    """Opens what was asked for; the stack closes it."""
    if args.stats is not None:
        from yolo_edge.commands.json_output import check_outputs

        check_outputs(args.stats)
    if args.save is not None:
        from yolo_edge.sinks.annotated import AnnotatedSink
        from yolo_edge.sinks.video_writer import VideoOptions

        video = VideoOptions.beside(plan)
        files = [file for source in sources for file in source.files]
        annotated = AnnotatedSink(args.save, every=args.every, video=video, sources=files)
        sinks.append(stack.enter_context(annotated))
    if args.jsonl is not None:
        from yolo_edge.sinks.jsonl import JsonLinesSink

        sinks.append(stack.enter_context(JsonLinesSink(args.jsonl)))
    if args.save_txt is not None:
        from yolo_edge.sinks.yolo_txt import YoloTxtSink

        sinks.append(stack.enter_context(YoloTxtSink(args.save_txt, confidence=args.save_conf)))
    if args.show:
        from yolo_edge.sinks.window import WindowSink

        sinks.append(stack.enter_context(WindowSink()))
    if not sinks and args.stats != "-":
        from yolo_edge.sinks.text import TextSink

        sinks.append(stack.enter_context(TextSink()))


def _summarise(args: argparse.Namespace, statistics: RunStatistics, sinks: list[Sink]) -> None:
    """Writes the figures for programs and for people.

    Raises:
        SinkError: The file for them cannot be written.
    """
    if not args.quiet:
        lines = [statistics.describe()]
        lines += [f"wrote {output}" for sink in sinks for output in sink.outputs]
        sys.stderr.write("\n".join(lines) + "\n")
    if args.stats == "-":
        sys.stdout.write(json.dumps(statistics.to_dict(), indent=1, ensure_ascii=False) + "\n")
        sys.stdout.flush()
    elif args.stats is not None:
        from yolo_edge.commands.json_output import write_json

        write_json(Path(args.stats), statistics.to_dict())


def _interrupt(signum: int, frame: object) -> None:
    """SIGTERM ends a run like Ctrl-C: outputs are finished and the summary is printed. The second kills."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_DFL)
    raise KeyboardInterrupt


def _silence_opencv() -> None:
    """OpenCV and its FFmpeg print about damaged files on their own; we report what matters, once."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "FATAL")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
