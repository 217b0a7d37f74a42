"""Where frames come from: images, folders, globs, video files, cameras, streams and a drawn demo.

To add a kind: a file here with a :class:`~yolo_edge.sources.base.Source`, and its place in
:func:`open_sources`, which alone decides what a source's name means.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yolo_edge.capture_options import CaptureOptions
from yolo_edge.errors import SourceError
from yolo_edge.sources.base import FailedFrame, Frame, Source
from yolo_edge.sources.credentials import redact

if TYPE_CHECKING:
    from yolo_edge._core import CpuSet
    from yolo_edge.sources.images import ImagesSource

__all__ = [
    "CaptureOptions",
    "FailedFrame",
    "Frame",
    "Source",
    "is_live",
    "open_source",
    "open_sources",
    "redact",
]

IMAGE_SUFFIXES = frozenset(
    {".avif", ".bmp", ".dib", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm"}
    | {".tif", ".tiff", ".webp"}
)
VIDEO_SUFFIXES = frozenset(
    {".3gp", ".asf", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4"}
    | {".mpeg", ".mpg", ".ts", ".webm", ".wmv"}
)


KINDS = (
    "an image, a folder, a glob pattern, a video file, camN, an rtsp:// or http:// URL, gst:, rpicam: or demo"
)
"""What a source may be, for messages."""

_LIVE = re.compile(
    r"(?P<camera>(?:cam|/dev/video)(?P<index>\d+))|(?P<rtsp>rtsps?://.*)|(?P<http>https?://.*)"
    r"|gst:(?P<gst>.*)|rpicam:(?P<rpicam>.*)|(?P<demo>demo)",
    re.DOTALL,
)


def is_live(spec: str) -> bool:
    """Whether a name stands for a camera or stream, whose newest frame counts, not for files."""
    return _LIVE.fullmatch(spec) is not None


def open_sources(
    specs: Iterable[str],
    every: int = 1,
    capture_cpus: CpuSet | None = None,
    capture: CaptureOptions | None = None,
) -> list[Source]:
    """Opens what the user named.

    Args:
        specs: Each a path of an image, video or folder, a glob pattern, ``camN`` or ``/dev/videoN``, an
            ``rtsp://``, ``rtsps://``, ``http://`` or ``https://`` URL, ``gst:PIPELINE``, ``rpicam:`` or
            ``rpicam:OPTIONS``, or ``demo``, a drawn scene (``./demo`` is a file or folder of that name).
        every: Yield only each N-th frame of a source, the first included.
        capture_cpus: CPUs that the thread which reads a camera is bound to; None binds nothing.
        capture: How cameras and streams are opened; None means the defaults.

    Returns:
        The sources in that order; images that follow each other form one source. A stream that cannot be
        reached is no error here: it is reported when it is read, and tried again.

    Raises:
        ValueError: ``every`` is not a whole number of at least 1, or ``capture`` asks for something that none
            of the sources has.
        SourceError: A name that stands for nothing readable. Nothing stays open.
        MissingExtraError: A kind of source that needs a package which is not installed.
    """
    specs = list(specs)
    options = capture if capture is not None else CaptureOptions()
    _check_options(options, specs)
    if every < 1:
        raise ValueError(f"every is {every}; it must be a whole number of at least 1")
    sources: list[Source] = []
    images: list[Path] = []

    def flush_images() -> None:
        if images:
            sources.append(_images(list(images), every))
            images.clear()

    try:
        for spec in specs:
            live = _LIVE.fullmatch(spec)
            if live:
                flush_images()
                sources.append(_live(live, options, every, capture_cpus))
                continue
            for path in _paths(spec):
                if path.suffix.lower() in IMAGE_SUFFIXES:
                    images.append(path)
                else:
                    flush_images()
                    sources.append(_video(path, every))
        flush_images()
    except BaseException:
        for source in sources:
            source.close()
        raise
    return sources


def open_source(source: Any, every: int = 1, capture: CaptureOptions | None = None) -> list[Source]:
    """Opens what a program named: one name, several, or images as arrays.

    Raises:
        ValueError, SourceError: As :func:`open_sources`.
    """
    if isinstance(source, str):
        return open_sources([source], every, capture=capture)
    if isinstance(source, (list, tuple)) and source and all(isinstance(entry, str) for entry in source):
        return open_sources(list(source), every, capture=capture)
    if capture is not None:
        _check_options(capture, [])
    from yolo_edge.sources.arrays import ArraySource

    return [ArraySource(source, every)]


def _paths(spec: str) -> list[Path]:
    if re.match(r"\w+://", spec):
        scheme = spec.split(":", 1)[0]
        raise SourceError(
            f"{redact(spec)}: {scheme}:// is not supported; a stream has rtsp, rtsps, http or https"
        )
    if not spec:  # as of a shell's variable that is not set; Path("") would be the working folder
        raise SourceError(f"a source is empty; it is {KINDS}")
    path = Path(spec)
    if path.is_dir():
        wanted = IMAGE_SUFFIXES | VIDEO_SUFFIXES
        found = sorted(
            entry for entry in path.iterdir() if entry.suffix.lower() in wanted and entry.is_file()
        )
        if not found:
            raise SourceError(f"{spec}: the folder holds no images and no videos")
        return found
    if path.exists():
        return [path]
    if any(mark in spec for mark in "*?["):
        matches = map(Path, glob.glob(spec, recursive=True))  # noqa: PTH207 - the pattern may be absolute
        found = sorted(path for path in matches if path.is_file())
        if not found:
            raise SourceError(f"{spec}: no file matches this pattern")
        return found
    raise SourceError(f"{spec}: no such file or folder (a source is {KINDS})")


def _images(paths: list[Path], every: int) -> ImagesSource:
    from yolo_edge.sources.images import ImagesSource

    return ImagesSource(paths, every)


def _video(path: Path, every: int) -> Source:
    from yolo_edge.sources.video import VideoSource

    return VideoSource(path, every)


def _live(spec: re.Match[str], options: CaptureOptions, every: int, cpus: CpuSet | None) -> Source:
    if spec["camera"] is not None:
        from yolo_edge.sources.camera import CameraSource

        return CameraSource(int(spec["index"]), options, every, cpus)
    if spec["rtsp"] is not None:
        from yolo_edge.sources.stream import RtspSource

        return RtspSource(spec["rtsp"], options, every, cpus)
    if spec["http"] is not None:
        from yolo_edge.sources.http_stream import HttpSource

        return HttpSource(spec["http"], options, every, cpus)
    if spec["demo"] is not None:
        from yolo_edge.sources.demo import DemoSource

        return DemoSource(options, every)
    if spec["gst"] is not None:
        from yolo_edge.sources.gstreamer import GstreamerSource

        return GstreamerSource(spec["gst"], options, every, cpus)
    from yolo_edge.sources.rpicam import RpicamSource

    return RpicamSource(spec["rpicam"], options, every, cpus)


def _check_options(options: CaptureOptions, specs: Sequence[str]) -> None:
    """Refuses what no source of the run can be asked for, rather than ignoring it.

    Raises:
        ValueError: With all of it.
    """
    defaults = CaptureOptions()
    kinds = {match.lastgroup for match in map(_LIVE.fullmatch, specs) if match}
    wrong = [
        f"{text} is for {names}, and there is none"
        for field, text, names, takers in (
            ("size_wh", "a size", "camN, rpicam: and demo", {"camera", "index", "rpicam", "demo"}),
            ("fps", "a frame rate", "camN, rpicam: and demo", {"camera", "index", "rpicam", "demo"}),
            ("pixel_format", "a format", "camN", {"camera", "index"}),
            ("rtsp_transport", "an RTSP transport", "rtsp:// sources", {"rtsp"}),
        )
        if getattr(options, field) != getattr(defaults, field) and not kinds & takers
    ]
    if wrong:
        raise ValueError("; ".join(wrong))
