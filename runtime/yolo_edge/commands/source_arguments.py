"""Flags of cameras and streams."""

from __future__ import annotations

import argparse
import re

from yolo_edge.capture_options import RTSP_TRANSPORTS, CaptureOptions

_DEFAULTS = CaptureOptions()


def add_capture(parser: argparse.ArgumentParser) -> None:
    """Adds the flags; :func:`capture_options` reads them."""
    group = parser.add_argument_group("cameras and streams")
    group.add_argument(
        "--size",
        metavar="WxH",
        help="picture size of camN and rpicam: (default: the driver's) or demo",
    )
    group.add_argument(
        "--fps", type=float, metavar="N", help="frames per second of them (default: the driver's)"
    )
    group.add_argument(
        "--format",
        metavar="FOURCC",
        help="pixel format asked of camN, as MJPG or YUYV (default: the driver's)",
    )
    group.add_argument(
        "--rtsp-transport",
        choices=RTSP_TRANSPORTS,
        default=_DEFAULTS.rtsp_transport,
        help="tcp loses nothing, udp is never late (default: %(default)s)",
    )
    group.add_argument(
        "--timeout",
        type=float,
        metavar="S",
        default=_DEFAULTS.timeout_s,
        help="seconds without an answer or a frame after which a stream is lost (default: %(default)g)",
    )
    group.add_argument(
        "--max-lag",
        type=float,
        metavar="S",
        default=_DEFAULTS.max_lag_s,
        help="drop what arrives later than this after its capture; 0 never does (default: %(default)g)",
    )
    group.add_argument(
        "--retries",
        type=int,
        metavar="N",
        help="attempts in a row to get a frame before a stream is given up (default: for ever)",
    )
    group.add_argument(
        "--insecure", action="store_true", help="take any certificate of https and rtsps servers"
    )


def capture_options(args: argparse.Namespace) -> CaptureOptions:
    """What the user said.

    Raises:
        ValueError: A value that makes no sense.
    """
    return CaptureOptions(
        size_wh=_size(args.size) if args.size is not None else None,
        fps=args.fps,
        pixel_format=args.format,
        rtsp_transport=args.rtsp_transport,
        timeout_s=args.timeout,
        max_lag_s=args.max_lag if args.max_lag != 0 else None,
        retries=args.retries,
        verify_tls=not args.insecure,
    )


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)", text.lower())
    if match is None:
        raise ValueError(f"size is {text!r}; it must be WIDTHxHEIGHT, as 1280x720")
    return int(match[1]), int(match[2])
