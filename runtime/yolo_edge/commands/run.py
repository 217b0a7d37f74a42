"""Detect objects in images, folders, videos and cameras.

SOURCE is an image, a folder, a glob pattern, a video file, camN or /dev/videoN.
Results go to the outputs that are asked for; without one, each frame with detections is a line on stdout.
"""

from __future__ import annotations

import argparse
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
    cpu_arguments,
    detector_arguments,
    shown_warnings,
    split_list,
)
from yolo_edge.commands.import_arguments import add_import_facts, open_model
from yolo_edge.options import DetectOptions

if TYPE_CHECKING:
    from contextlib import ExitStack

    from yolo_edge.cpu_plan import CpuPlan
    from yolo_edge.pipeline import RunStatistics
    from yolo_edge.sinks import Sink

_DEFAULTS = DetectOptions()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of ``run``."""
    parser.add_argument(
        "sources", metavar="SOURCE", nargs="+", help="what to look at; several run one after the other"
    )
    add_model(parser, positional=False)
    add_engine(parser, default="auto")
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
    outputs.add_argument("--quiet", action="store_true", help="no progress and no summary, errors only")


def execute(args: argparse.Namespace) -> int:
    """Runs the command; returns 1 when a frame or source failed."""
    _silence_opencv()
    from contextlib import ExitStack

    from yolo_edge import pipeline
    from yolo_edge.cpu_plan import plan_cpus
    from yolo_edge.detector import Detector
    from yolo_edge.model_selection import find_model
    from yolo_edge.options import resolve_classes
    from yolo_edge.progress import Progress
    from yolo_edge.sources import open_sources

    progress = Progress(quiet=args.quiet)
    statistics = pipeline.RunStatistics()
    signal.signal(signal.SIGTERM, _interrupt)
    with ExitStack() as stack:
        with bad_arguments(args), shown_warnings(args):
            if args.max_frames is not None and args.max_frames < 1:
                raise ValueError(f"max-frames is {args.max_frames}; it must be a whole number of at least 1")
            options = DetectOptions(
                conf=args.conf,
                iou=args.iou,
                classes=split_list(args.classes),
                agnostic=args.agnostic,
                max_detections=args.max_detections,
            )
            bundle = open_model(find_model(args.model), args, progress)
            resolve_classes(options.classes, bundle.names)
            plan = plan_cpus(**cpu_arguments(args))
            sources = open_sources(args.sources, args.every, plan.other_cpus)
            for source in sources:
                stack.callback(source.close)
            detector = stack.enter_context(Detector(bundle, **detector_arguments(args)))
        sinks = _open_sinks(args, stack, plan)
        if not args.quiet:
            progress.message(detector.describe())
            if args.verbose:
                progress.message(f"cameras are read on CPUs {plan.other_cpus}")
        interrupted = False
        try:
            pipeline.run(
                detector,
                sources,
                sinks,
                options=options,
                progress=progress,
                max_frames=args.max_frames,
                statistics=statistics,
            )
        except KeyboardInterrupt:
            interrupted = True
        finally:
            progress.clear()
    _summarise(args, statistics, sinks, progress)
    if interrupted:
        return 130
    return 1 if statistics.failures else 0


def _open_sinks(args: argparse.Namespace, stack: ExitStack, plan: CpuPlan) -> list[Sink]:
    sinks: list[Sink] = []
    if args.save is not None:
        from yolo_edge.sinks.annotated import AnnotatedSink
        from yolo_edge.sinks.video_writer import VideoOptions

        video = VideoOptions.beside(plan)
        sinks.append(stack.enter_context(AnnotatedSink(args.save, every=args.every, video=video)))
    if args.jsonl is not None:
        from yolo_edge.sinks.jsonl import JsonLinesSink

        sinks.append(stack.enter_context(JsonLinesSink(args.jsonl)))
    if args.save_txt is not None:
        from yolo_edge.sinks.yolo_txt import YoloTxtSink

        sinks.append(stack.enter_context(YoloTxtSink(args.save_txt, confidence=args.save_conf)))
    if args.show:
        from yolo_edge.sinks.window import WindowSink

        sinks.append(stack.enter_context(WindowSink()))
    if not sinks:
        from yolo_edge.sinks.text import TextSink

        sinks.append(stack.enter_context(TextSink()))
    return sinks


def _summarise(
    args: argparse.Namespace, statistics: RunStatistics, sinks: list[Sink], progress: object
) -> None:
    if args.quiet:
        return
    lines = [statistics.describe()]
    lines += [f"wrote {output}" for sink in sinks for output in sink.outputs]
    sys.stderr.write("\n".join(lines) + "\n")


def _interrupt(signum: int, frame: object) -> None:
    """SIGTERM ends a run like Ctrl-C: outputs are finished and the summary is printed."""
    raise KeyboardInterrupt


def _silence_opencv() -> None:
    """OpenCV and its FFmpeg print about damaged files on their own; we report what matters, once."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "FATAL")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
