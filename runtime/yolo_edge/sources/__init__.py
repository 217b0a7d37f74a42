"""Where frames come from: images, folders, globs, video files and cameras.

To add a kind: a file here with a :class:`~yolo_edge.sources.base.Source`, and its place in
:func:`open_sources`, which alone decides what a source's name means.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yolo_edge.errors import SourceError
from yolo_edge.sources.base import FailedFrame, Frame, Source

if TYPE_CHECKING:
    from yolo_edge._core import CpuSet
    from yolo_edge.sources.images import ImagesSource

__all__ = ["FailedFrame", "Frame", "Source", "open_source", "open_sources", "redact"]

IMAGE_SUFFIXES = frozenset(
    {".avif", ".bmp", ".dib", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm"}
    | {".tif", ".tiff", ".webp"}
)
VIDEO_SUFFIXES = frozenset(
    {".3gp", ".asf", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4"}
    | {".mpeg", ".mpg", ".ts", ".webm", ".wmv"}
)


def open_sources(specs: Iterable[str], every: int = 1, capture_cpus: CpuSet | None = None) -> list[Source]:
    """Opens what the user named.

    Args:
        specs: Each a path of an image, video or folder, a glob pattern, ``camN`` or ``/dev/videoN``.
        every: Yield only each N-th frame of a source, the first included.
        capture_cpus: CPUs that the thread which reads a camera is bound to; None binds nothing.

    Returns:
        The sources in that order; images that follow each other form one source.

    Raises:
        ValueError: ``every`` is not a whole number of at least 1.
        SourceError: A name that stands for nothing readable. Nothing stays open.
    """
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
            camera = re.fullmatch(r"(?:cam|/dev/video)(\d+)", spec)
            if camera:
                flush_images()
                sources.append(_camera(int(camera[1]), every, capture_cpus))
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


def open_source(source: Any, every: int = 1) -> list[Source]:
    """Opens what a program named: one name, several, or images as arrays.

    Raises:
        ValueError, SourceError: As :func:`open_sources`.
    """
    if isinstance(source, str):
        return open_sources([source], every)
    if isinstance(source, (list, tuple)) and source and all(isinstance(entry, str) for entry in source):
        return open_sources(list(source), every)
    from yolo_edge.sources.arrays import ArraySource

    return [ArraySource(source, every)]


def redact(text: str) -> str:
    """Replaces the credentials of every URL in a text by ``***``."""
    return re.sub(r"(\w+://)[^/@\s]+@", r"\1***@", text)


def _paths(spec: str) -> list[Path]:
    if re.match(r"\w+://", spec):
        raise SourceError(
            f"{redact(spec)}: network streams are not supported by this version; "
            "give an image, a folder, a glob pattern, a video file or camN"
        )
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
    raise SourceError(
        f"{spec}: no such file or folder "
        "(a source is an image, a folder, a glob pattern, a video file or camN)"
    )


def _images(paths: list[Path], every: int) -> ImagesSource:
    from yolo_edge.sources.images import ImagesSource

    return ImagesSource(paths, every)


def _video(path: Path, every: int) -> Source:
    from yolo_edge.sources.video import VideoSource

    return VideoSource(path, every)


def _camera(index: int, every: int, cpus: CpuSet | None) -> Source:
    from yolo_edge.sources.camera import CameraSource

    return CameraSource(index, every, cpus)
