"""RTSP and video over HTTP, through PyAV."""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from yolo_edge._core import CpuSet
from yolo_edge.errors import SourceError
from yolo_edge.packages import require
from yolo_edge.sources.capture_options import CaptureOptions
from yolo_edge.sources.credentials import redact
from yolo_edge.sources.live import CaptureCounts, Connection, LiveSource, Picture
from yolo_edge.sources.reconnect import StreamLost
from yolo_edge.sources.timeline import DRAINED_S, LagWatch, Timeline

SETTLE_S = 1.0
"""How long a connection may bring what had been waiting for it before its frames are handed on."""
_HELD_BACK = frozenset({"h264", "hevc", "mpeg4"})
"""Codecs for which FFmpeg's RTSP reader gives out a frame only when the next one begins (libavformat's
rtpdec_h264.c, rtpdec_hevc.c, rtpdec_mpeg4.c: ``need_parsing = AVSTREAM_PARSE_FULL``)."""


class RtspSource(LiveSource):
    """An RTSP camera.

    Args:
        url: ``rtsp://`` or ``rtsps://``.
        options: Transport, time-outs and retries.
        every: Take only each N-th frame.
        cpus: CPUs that the capturing thread is bound to; None binds nothing.

    Raises:
        SourceError: The URL has no host.
        MissingExtraError: PyAV is not installed.
    """

    def __init__(self, url: str, options: CaptureOptions, every: int = 1, cpus: CpuSet | None = None) -> None:
        check_url(url)
        require_av("RTSP")
        super().__init__(redact(url), options, every, cpus)
        self._url = url
        self.start()

    def connect(self) -> Connection:
        return AvConnection(self._url, self.options, self.counts)


class AvConnection(Connection):
    """A stream opened by PyAV.

    Args:
        url: With its credentials.
        options: Transport and time-outs.
        counts: What is left out is counted here.

    Raises:
        StreamLost: It cannot be opened.
    """

    def __init__(self, url: str, options: CaptureOptions, counts: CaptureCounts) -> None:
        self._av = av = require_av("this stream")
        self._options = options
        self._counts = counts
        resolve(url)
        timeout_s = options.timeout_s
        try:
            self._container = av.open(url, options=_av_options(url, options), timeout=(timeout_s, timeout_s))
        except av.error.FFmpegError as error:
            raise explain(av, error, f"no answer for {timeout_s:g} s") from None
        if not self._container.streams.video:
            self._container.close()
            raise StreamLost("the stream has no video", needs_user=True)
        if self._container.duration is not None and self._container.format.name != "rtsp":
            seconds = self._container.duration / av.time_base
            self._container.close()
            raise StreamLost(
                f"this is a file of {seconds:.1f} s, not a live stream; download it and give its path",
                final=True,
            )
        self._stream = self._container.streams.video[0]
        decoder = self._stream.codec_context
        if decoder is None:
            self._container.close()
            raise StreamLost("the video's codec is not known to PyAV", final=True)
        decoder.thread_type = "SLICE"  # threads by frame would hold back as many frames
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.fps = float(rate) if rate and 0 < rate < 1000 else None
        self._holds_back = self._container.format.name == "rtsp" and decoder.name in _HELD_BACK

    def pictures(self) -> Iterator[Picture]:
        av, counts, timeout_s = self._av, self._counts, self._options.timeout_s
        decoder = self._stream.codec_context
        timeline, lag_watch = Timeline(), LagWatch(self._options.max_lag_s)
        waiting_for_key, settled = True, False
        packets = self._container.demux(self._stream)
        opened = arrived = last_picture = time.monotonic()
        while True:
            asked, began = time.monotonic(), arrived
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as error:
                raise explain(av, error, f"nothing came for {timeout_s:g} s") from None
            if packet is None or packet.size == 0:
                raise StreamLost("the server ended the stream")
            arrived = time.monotonic()
            if not self._holds_back:
                began = arrived
            settled = settled or arrived - asked > DRAINED_S or arrived - opened > SETTLE_S
            lag_s = 0.0
            if packet.pts is not None:
                presented_s = float(packet.pts * packet.time_base)
                timeline.observe(presented_s, began)
                lag_s = began - timeline.captured(presented_s, began)
            if arrived - last_picture > timeout_s:
                missing = "key frame" if waiting_for_key else "whole frame"
                raise StreamLost(f"data comes, but no {missing} for {timeout_s:g} s")
            if lag_watch.too_late(lag_s, arrived - asked, arrived):
                counts.late += 1
                waiting_for_key = True
                last_picture = arrived
                continue
            if packet.is_corrupt or (waiting_for_key and not packet.is_keyframe):
                counts.damaged += 1
                waiting_for_key = True
                continue
            if waiting_for_key:
                decoder.flush_buffers()
                waiting_for_key = False
            try:
                frames = packet.decode()
            except av.error.FFmpegError:  # counted; the stream goes on with its next key frame
                frames, waiting_for_key = [], True
                counts.damaged += 1
            for frame in frames:
                # What follows builds on the damaged one, unflagged.
                if frame.is_corrupt or waiting_for_key:
                    counts.damaged += 1
                    waiting_for_key = True
                    continue
                last_picture = arrived
                if settled:
                    yield Picture(self._captured(frame, timeline, began), _converter(frame))

    def close(self) -> None:
        self._container.close()

    def _captured(self, frame: Any, timeline: Timeline, began: float) -> float:
        if frame.pts is None or frame.time_base is None:
            return began
        return timeline.captured(float(frame.pts * frame.time_base), began)


def _converter(frame: Any) -> Any:
    def to_bgr() -> npt.NDArray[np.uint8]:
        image: npt.NDArray[np.uint8] = frame.to_ndarray(format="bgr24")
        return image

    return to_bgr


def require_av(purpose: str) -> ModuleType:
    """Imports PyAV."""
    return require("av", f"reading {purpose}", "pip install 'yolo-edge[stream]' (or pip install av)")


def check_url(url: str) -> None:
    """Looks at an URL without connecting.

    Raises:
        SourceError: It has no host, or its port is no number.
    """
    try:
        parts = urlsplit(url)
        port_ok = parts.port is None or parts.port > 0
    except ValueError:
        port_ok = False
    if not port_ok or not parts.hostname:
        raise SourceError(
            f"{redact(url)}: not an URL with a host; it looks like rtsp://NAME:PASSWORD@HOST:PORT/PATH "
            "(write @ / ? # in a password as %40 %2F %3F %23)"
        )


def resolve(url: str) -> None:
    """Looks the host up, for libav does not tell an unknown host from other failures.

    Raises:
        StreamLost: It is unknown.
    """
    host = urlsplit(url).hostname or ""
    try:
        socket.getaddrinfo(host, None)
    except OSError as error:
        raise StreamLost(f"unknown host {host} ({error.strerror or error})") from None


def refused(status: int) -> StreamLost:
    """What an HTTP or RTSP status means for the user."""
    if status == 401:
        return StreamLost("the server wants another user name or password (401)", needs_user=True)
    if status == 403:
        return StreamLost("the server forbids it to this user (403)", needs_user=True)
    if status == 404:
        return StreamLost("the server has no such stream (404)", needs_user=True)
    return StreamLost(f"the server refuses with status {status}", needs_user=400 <= status < 500)


def explain(av: ModuleType, error: Any, silence: str) -> StreamLost:
    """One line for an error of libav, whose own text holds the URL with its credentials.

    Args:
        av: PyAV.
        error: What it raised.
        silence: What to say of a time-out.
    """
    kinds = av.error
    for kind, status in (
        (kinds.HTTPUnauthorizedError, 401),
        (kinds.HTTPForbiddenError, 403),
        (kinds.HTTPNotFoundError, 404),
    ):
        if isinstance(error, kind):
            return refused(status)
    if isinstance(error, (kinds.HTTPClientError, kinds.HTTPError)):
        return StreamLost(f"the server refuses: {error.strerror}", needs_user=True)
    if isinstance(error, (kinds.ExitError, TimeoutError)):
        return StreamLost(silence)
    if isinstance(error, EOFError):
        return StreamLost("the server ended the stream")
    if isinstance(error, ConnectionRefusedError):
        return StreamLost("connection refused: nothing listens on this port")
    if isinstance(error, kinds.InvalidDataError):
        return StreamLost("the server's answer is no stream that can be read")
    # Everything else by its own words, which name no URL.
    return StreamLost(re.sub(r"\s+", " ", str(error.strerror)).strip().lower() or type(error).__name__)


def _av_options(url: str, options: CaptureOptions) -> dict[str, str]:
    """Options of libav, for quick connecting and nothing buffered."""
    found = {"fpsprobesize": "0"}
    if url.startswith("rtsp"):
        # The codec is known from the description: no need to wait for frames in order to probe.
        found.update(rtsp_transport=options.rtsp_transport, allowed_media_types="video", analyzeduration="0")
    else:
        found["analyzeduration"] = "1000000"
    if url.startswith(("rtsps", "https")) and options.verify_tls:
        authorities = ssl.get_default_verify_paths().cafile
        found["tls_verify"] = "1"
        if authorities:
            found["ca_file"] = authorities
    return found
