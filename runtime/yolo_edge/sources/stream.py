"""RTSP cameras, and everything that PyAV decodes."""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from yolo_edge._core import CpuSet
from yolo_edge.capture_options import CaptureOptions
from yolo_edge.packages import require_av
from yolo_edge.sources.credentials import redact
from yolo_edge.sources.live import CaptureCounts, Connection, LiveSource, Picture, plausible_fps
from yolo_edge.sources.network import check_url, refused
from yolo_edge.sources.reconnect import StreamLost
from yolo_edge.sources.rtp import Depacketizer, described_parameters, parse_rtp
from yolo_edge.sources.rtsp import RtspClient, VideoDescription
from yolo_edge.sources.timeline import DRAINED_S, LagWatch, Timeline

SETTLE_S = 1.0
"""How long a connection may bring what had been waiting for it before its frames are handed on."""
_CODECS = {"H264": "h264", "H265": "hevc"}
"""Codecs that are received here, by their names in RTP; libav receives the others, and all over UDP."""
_HELD_BACK = frozenset({"h264", "hevc", "mpeg4"})
"""Codecs for which libav's RTSP reader gives out a frame only when the next one begins (libavformat's
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
        require_av("reading RTSP")
        super().__init__(redact(url), options, every, cpus)
        self._url = url
        self.start()

    def connect(self) -> Connection:
        if self.options.rtsp_transport == "tcp":
            client = RtspClient(self._url, self.options)
            try:
                video = client.describe()
                if video.codec in _CODECS:
                    client.play(video)
                    return RtspConnection(client, video, self.options, self.counts)
            except BaseException:
                client.close()
                raise
            client.close()
        return AvConnection(self._url, self.options, self.counts)


class VideoDecoder:
    """Decodes, and gives out whole pictures only.

    After a loss, and at the start, nothing is decoded until the next picture that stands for itself: what
    builds on a missing picture is grey or smeared, and no decoder flags it.

    Args:
        decoder: PyAV's.
        counts: Damaged pictures are counted here.
    """

    def __init__(self, decoder: Any, counts: CaptureCounts) -> None:
        self._av = require_av("reading this stream")
        self._decoder = decoder
        self._counts = counts
        self.waiting_for_key = True
        decoder.thread_type = "SLICE"  # threads by frame would hold back as many frames

    def lose(self) -> None:
        """Something is missing: the next pictures build on it."""
        self.waiting_for_key = True

    def decode(self, packet: Any, is_key: bool) -> Iterator[Any]:
        """Yields what a packet gives."""
        if self.waiting_for_key:
            if not is_key:
                self._counts.damaged += 1
                return
            self._decoder.flush_buffers()
            self.waiting_for_key = False
        try:
            frames = self._decoder.decode(packet)
        except self._av.error.FFmpegError:  # counted; the stream goes on with its next key frame
            self._counts.damaged += 1
            self.waiting_for_key = True
            return
        for frame in frames:
            if frame.is_corrupt or self.waiting_for_key:
                self._counts.damaged += 1
                self.waiting_for_key = True
            else:
                yield frame


class RtspConnection(Connection):
    """H.264 or H.265 over RTSP in one TCP connection.

    Received here rather than by libav, which tells neither when a picture's first packet came nor that one is
    missing, and which gives out a picture only when the next one begins.

    Args:
        client: It plays already.
        video: What comes.
        options: Time-outs.
        counts: What is left out is counted here.
    """

    def __init__(
        self, client: RtspClient, video: VideoDescription, options: CaptureOptions, counts: CaptureCounts
    ) -> None:
        self._av = require_av("reading RTSP")
        self._client = client
        self._video = video
        self._options = options
        self._counts = counts
        self.fps = video.fps

    def pictures(self) -> Iterator[Picture]:
        codec, counts, timeout_s = _CODECS[self._video.codec], self._counts, self._options.timeout_s
        parameters = described_parameters(codec, self._video.format_parameters)
        units, time_base = Depacketizer(codec, parameters), Fraction(1, self._video.clock_hz)
        context = self._av.CodecContext.create(codec, "r")
        decoder = VideoDecoder(context, counts)
        timeline, lag_watch = Timeline(), LagWatch(self._options.max_lag_s)
        last_picture, waited_s = time.monotonic(), 0.0
        for data, arrived, waited_for_packet_s in self._client.packets():
            waited_s += waited_for_packet_s
            if arrived - last_picture > timeout_s:
                missing = "key frame" if decoder.waiting_for_key else "whole frame"
                raise StreamLost(f"data comes, but no {missing} for {timeout_s:g} s")
            packet = parse_rtp(data)
            if packet is None or packet.payload_type != self._video.payload_type:
                continue
            for unit in units.feed(packet, arrived):
                presented_s = float(unit.timestamp * time_base)
                timeline.observe(presented_s, unit.arrived)
                lag_s = unit.arrived - timeline.captured(presented_s, unit.arrived)
                if unit.after_loss:
                    decoder.lose()
                late, waited_s = lag_watch.too_late(lag_s, waited_s, arrived), 0.0
                if late:
                    counts.late += 1
                    decoder.lose()
                    last_picture = arrived
                    continue
                compressed = self._av.Packet(unit.data)
                compressed.pts, compressed.time_base = unit.timestamp, time_base
                for frame in decoder.decode(compressed, unit.is_key):
                    last_picture = arrived
                    if self.fps is None and context.framerate:
                        self.fps = plausible_fps(float(context.framerate))
                    yield _picture(frame, time_base, timeline, arrived)

    def interrupt(self) -> None:
        self._client.interrupt()

    def close(self) -> None:
        self._client.close()


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
        self._av = av = require_av("reading this stream")
        self._options = options
        self._counts = counts
        _resolve(url)
        started = time.monotonic()
        try:
            # Without PyAV's own time-outs: libav would call back into Python, from a thread that may outlive
            # the interpreter.
            self._container = av.open(url, options=_av_options(url, options))
        except av.error.FFmpegError as error:
            # libav reports what it was doing as failed, not always that it took too long.
            if time.monotonic() - started >= options.timeout_s:
                raise StreamLost(f"no answer for {options.timeout_s:g} s") from None
            raise explain(av, error) from None
        try:
            self._look()
        except BaseException:
            self._container.close()
            raise

    def _look(self) -> None:
        """At what was opened.

        Raises:
            StreamLost: It is no live video.
        """
        container = self._container
        if not container.streams.video:
            raise StreamLost("the stream has no video", needs_user=True)
        is_rtsp = container.format.name == "rtsp"
        if container.duration is not None and not is_rtsp:
            seconds = container.duration / self._av.time_base
            reason = f"this is a file of {seconds:.1f} s, not a live stream; download it and give its path"
            raise StreamLost(reason, final=True)
        self._stream = container.streams.video[0]
        context = self._stream.codec_context
        if context is None:
            raise StreamLost("PyAV does not know the video's codec", final=True)
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.fps = plausible_fps(float(rate)) if rate else None
        self._holds_back = is_rtsp and context.name in _HELD_BACK
        self._decoder = VideoDecoder(context, self._counts)

    def pictures(self) -> Iterator[Picture]:
        av, counts, decoder, timeout_s = self._av, self._counts, self._decoder, self._options.timeout_s
        timeline, lag_watch = Timeline(), LagWatch(self._options.max_lag_s)
        settled = False
        packets = self._container.demux(self._stream)
        opened = arrived = last_picture = time.monotonic()
        while True:
            asked, began = time.monotonic(), arrived
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as error:
                if time.monotonic() - asked >= timeout_s:
                    raise StreamLost(f"nothing came for {timeout_s:g} s") from None
                raise explain(av, error) from None
            if packet is None or packet.size == 0:
                raise StreamLost("the server ended the stream")
            arrived = time.monotonic()
            if arrived - asked >= timeout_s:  # libav gives out what it kept for reordering
                raise StreamLost(f"nothing came for {timeout_s:g} s")
            if not self._holds_back:
                began = arrived
            if arrived - last_picture > timeout_s:
                missing = "key frame" if decoder.waiting_for_key else "whole frame"
                raise StreamLost(f"data comes, but no {missing} for {timeout_s:g} s")
            # What waited while it was opened comes at once, and says nothing about the present.
            settled = settled or arrived - asked > DRAINED_S or arrived - opened > SETTLE_S
            if packet.pts is not None:
                presented_s = float(packet.pts * packet.time_base)
                timeline.observe(presented_s, began)
                lag_s = began - timeline.captured(presented_s, began)
                if lag_watch.too_late(lag_s, arrived - asked, arrived):
                    counts.late += 1
                    decoder.lose()
                    last_picture = arrived
                    continue
            if packet.is_corrupt:
                decoder.lose()
            for frame in decoder.decode(packet, packet.is_keyframe and not packet.is_corrupt):
                last_picture = arrived
                if settled:
                    yield _picture(frame, frame.time_base, timeline, began)

    def close(self) -> None:
        self._container.close()


def _picture(frame: Any, time_base: Fraction | None, timeline: Timeline, arrived: float) -> Picture:
    captured = arrived
    if frame.pts is not None and time_base is not None:
        captured = timeline.captured(float(frame.pts * time_base), arrived)
    return Picture(captured, _converter(frame))


def _converter(frame: Any) -> Callable[[], npt.NDArray[np.uint8]]:
    def to_bgr() -> npt.NDArray[np.uint8]:
        image: npt.NDArray[np.uint8] = frame.to_ndarray(format="bgr24")
        return image

    return to_bgr


def _resolve(url: str) -> None:
    """Looks the host up, for libav does not tell an unknown host from other failures.

    Raises:
        StreamLost: It is unknown.
    """
    host = urlsplit(url).hostname or ""
    try:
        socket.getaddrinfo(host, None)
    except OSError as error:
        raise StreamLost(f"unknown host {host} ({error.strerror or error})") from None


def explain(av: ModuleType, error: Any) -> StreamLost:
    """One line for an error of libav, whose own text holds the URL with its credentials."""
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
    found, timeout_us = {"fpsprobesize": "0"}, str(round(options.timeout_s * 1e6))
    if url.startswith("rtsp"):
        # The codec is known from the description: no need to wait for frames in order to probe.
        found.update(
            rtsp_transport=options.rtsp_transport,
            allowed_media_types="video",
            analyzeduration="0",
            timeout=timeout_us,
        )
    else:
        found.update(analyzeduration="1000000", rw_timeout=timeout_us)
    if url.startswith(("rtsps", "https")) and options.verify_tls:
        authorities = ssl.get_default_verify_paths().cafile
        found["tls_verify"] = "1"
        if authorities:
            found["ca_file"] = authorities
    return found
