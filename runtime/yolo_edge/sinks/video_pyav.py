"""Video through PyAV: H.264 in fragmented MP4, which browsers play, also after a crash."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from yolo_edge.errors import SinkError
from yolo_edge.packages import require_av, require_cv2
from yolo_edge.sinks.durable_file import DurableFile
from yolo_edge.sinks.video_opencv import even_sized
from yolo_edge.sinks.video_writer import VideoOptions, VideoWriter

TICKS_PER_S = 90_000
"""Clock of the file; 24, 25, 30 and 29.97 frames per second are whole numbers of ticks."""

_MP4 = {
    # The index (moov) comes first and is empty; each fragment (moof) has the index of its own frames.
    "movflags": "empty_moov+frag_keyframe+default_base_moof",
    "flush_packets": "1",
}

_BT601 = 6
"""``AVCOL_SPC_SMPTE170M``: the matrix that OpenCV converts with. Unsaid, players take BT.709 for HD."""

_LIMITED_RANGE = 1
"""``AVCOL_RANGE_MPEG``: luma from 16 to 235."""


@dataclass(frozen=True)
class Encoder:
    """An encoder of FFmpeg whose video browsers play."""

    name: str
    """How FFmpeg calls it."""
    codec: str
    """What it writes, for people."""
    options: Callable[[VideoOptions], dict[str, str]]
    """Its options: the fastest that still looks well, nothing kept back for frames to come."""


ENCODERS = (
    Encoder(
        "libx264",
        "H.264",
        lambda options: {
            "preset": "ultrafast",
            "crf": str(options.crf),
            # As tune=zerolatency, but the frame rate may vary. Chromium heeds the matrix only where primaries
            # and transfer are told, too.
            "x264-params": "bframes=0:rc-lookahead=0:sync-lookahead=0:mbtree=0:scenecut=0:sliced-threads=1"
            ":colorprim=bt709:transfer=bt709:colormatrix=smpte170m",
        },
    ),
    Encoder(
        "libvpx-vp9",
        "VP9",
        lambda options: {
            "deadline": "realtime",
            "cpu-used": "8",
            "crf": str(options.crf + 11),
            "b": "0",
            "lag-in-frames": "0",
        },
    ),
)
"""In order of preference. PyAV's own wheels have both."""


def find_encoder() -> Encoder | None:
    """The first of :data:`ENCODERS` that this PyAV has; None if it has none.

    Raises:
        MissingExtraError: PyAV is not installed.
    """
    av = require_av("H.264 video")
    known: set[str] = av.codec.codecs_available
    return next((encoder for encoder in ENCODERS if encoder.name in known), None)


class PyAvWriter(VideoWriter):
    """Writes a fragment whenever one is full; what came before plays whatever happens next.

    Raises:
        MissingExtraError: PyAV is not installed.
    """

    suffix: ClassVar[str] = ".mp4"

    def __init__(
        self,
        path: Path,
        size_hw: tuple[int, int],
        fps: float,
        options: VideoOptions,
        encoder: Encoder | None = None,
    ) -> None:
        self._av = require_av("H.264 video")
        self._cv2 = require_cv2("writing video")
        chosen = encoder or find_encoder()
        if chosen is None:
            raise SinkError(f"{path}: this PyAV has none of {', '.join(known.name for known in ENCODERS)}")
        self.path = path
        self.size_hw = size_hw
        self._encoder = chosen
        self._clock = PresentationClock(fps)
        # A frame that comes half a frame's time early still begins the next fragment.
        self._fragment_ticks = round(options.fragment_s * TICKS_PER_S) - self._clock.frame_ticks // 2
        self._next_key_ticks = 0
        self._muxed = _MuxedBytes()
        self._failed = False
        self._file = DurableFile(path)
        try:
            self._container = self._av.open(self._muxed, "w", format="mp4", options=_MP4)
            self._stream = self._open_stream(fps, options)
            self._container.start_encoding()
            self._append()
        except BaseException as error:
            self._fail()
            if isinstance(error, self._av.FFmpegError):
                raise self._cannot_encode(error) from None
            raise

    def write(self, image: npt.NDArray[np.uint8], time_s: float) -> None:
        # OpenCV converts three times faster than FFmpeg.
        planes = self._cv2.cvtColor(even_sized(image), self._cv2.COLOR_BGR2YUV_I420)
        frame = self._av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts = self._clock.ticks(time_s)
        frame.time_base = Fraction(1, TICKS_PER_S)
        if frame.pts >= self._next_key_ticks:
            frame.pict_type = self._av.video.frame.PictureType.I
            self._next_key_ticks = frame.pts + self._fragment_ticks
        self._encode(frame)

    def close(self) -> None:
        if self._failed or self._container is None:
            return
        self._encode(None)
        try:
            self._container.close()
            self._container = None
            self._append()
        except self._av.FFmpegError as error:
            self._fail()
            raise self._cannot_encode(error) from None
        self._file.close()

    @property
    def format(self) -> str:
        return self._encoder.codec

    def _open_stream(self, fps: float, options: VideoOptions) -> Any:
        rate = Fraction(fps).limit_denominator(1001)
        stream = self._container.add_stream(self._encoder.name, rate, options=self._encoder.options(options))
        stream.height, stream.width = (side + side % 2 for side in self.size_hw)
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = Fraction(1, TICKS_PER_S)
        context.thread_count = options.threads
        context.gop_size = 1 << 20  # key frames come by time, see write()
        context.colorspace = _BT601
        context.color_range = _LIMITED_RANGE
        return stream

    def _encode(self, frame: Any) -> None:
        """Encodes a frame, or with None what the encoder holds back, and writes what is ready."""
        try:
            for packet in self._stream.encode(frame):
                if packet.duration is None or packet.duration <= 0:
                    packet.duration = self._clock.frame_ticks
                self._container.mux(packet)
            self._append()
        except self._av.FFmpegError as error:
            self._fail()
            raise self._cannot_encode(error) from None

    def _append(self) -> None:
        if piece := self._muxed.take():
            try:
                self._file.append(piece)
            except SinkError:
                self._fail()
                raise

    def _fail(self) -> None:
        self._failed = True
        self._file.close()

    def _cannot_encode(self, error: Exception) -> SinkError:
        height, width = self.size_hw
        return SinkError(
            f"{self.path}: {self._encoder.name} cannot encode this video ({width}x{height}): {error}"
        )


class PresentationClock:
    """Turns a source's times into those of a file: from 0, whole ticks, strictly increasing.

    A source whose time stands still or is set back (a camera that restarted) goes on one frame later.

    Args:
        fps: Nominal frames per second.
    """

    def __init__(self, fps: float) -> None:
        self.frame_ticks = max(1, round(TICKS_PER_S / fps))
        self._start: int | None = None
        self._last = -1

    def ticks(self, time_s: float) -> int:
        """When a frame is to be shown, in 1/90000 s from the start of the file."""
        now = round(time_s * TICKS_PER_S)
        if self._start is None:
            self._start = now
        shown = now - self._start
        if shown <= self._last:
            set_back = self._last - shown
            shown = self._last + self.frame_ticks
            if set_back > TICKS_PER_S:
                self._start = now - shown
        self._last = shown
        return shown


class _MuxedBytes:
    """What the muxer wrote and the file has not got yet.

    It has no ``seek``, so the muxer never goes back; and ``write`` runs no Python code, in which a Ctrl-C
    would be lost.
    """

    def __init__(self) -> None:
        self._buffer = io.BytesIO()
        self.write = self._buffer.write

    def take(self) -> bytes:
        data = self._buffer.getvalue()
        self._buffer.seek(0)
        self._buffer.truncate()
        return data
