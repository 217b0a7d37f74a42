"""How live sources are captured."""

from __future__ import annotations

from dataclasses import dataclass

RTSP_TRANSPORTS = ("tcp", "udp")


@dataclass(frozen=True)
class CaptureOptions:
    """How cameras and streams are opened, and what is done when they fail. Files and images need none of it.

    Raises:
        ValueError: A value out of its range.
    """

    size_wh: tuple[int, int] | None = None
    """Width and height asked of ``camN``, ``rpicam:`` and ``demo``; None takes the driver's own."""
    fps: float | None = None
    """Frames per second asked of ``camN``, ``rpicam:`` and ``demo``; None takes the driver's own."""
    pixel_format: str | None = None
    """FOURCC asked of ``camN``: MJPG takes less of the USB, YUYV needs no decoding; None is the driver's."""
    rtsp_transport: str = "tcp"
    """tcp loses nothing, but a slow network delays it; udp is never late, but lost packets damage frames."""
    timeout_s: float = 10.0
    """Seconds that connecting may take, and that a stream may stay silent, before it counts as lost."""
    max_lag_s: float | None = 2.0
    """Frames that arrive later than this after their capture are dropped, at worst by connecting anew; None
    never drops, so that a network slower than the camera makes them older and older."""
    retries: int | None = None
    """Attempts in a row without a frame after which a source ends; None tries for ever."""
    verify_tls: bool = True
    """Whether ``https`` and ``rtsps`` servers must show a valid certificate."""
    first_delay_s: float = 0.25
    """Longest wait before the first attempt to connect again; it doubles with each one that fails."""
    longest_delay_s: float = 3.0
    """What it grows to. A camera that came back is seen again within this and what connecting takes."""

    def __post_init__(self) -> None:
        if self.size_wh is not None and (len(self.size_wh) != 2 or min(self.size_wh) < 1):
            raise ValueError(f"size is {self.size_wh}; it must be a width and a height of at least 1")
        for name in ("fps", "timeout_s", "max_lag_s", "first_delay_s", "longest_delay_s"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"{name} is {value}; it must be more than 0")
        if self.pixel_format is not None and not (
            len(self.pixel_format) == 4 and self.pixel_format.isascii() and self.pixel_format.isprintable()
        ):
            raise ValueError(f"format is {self.pixel_format!r}; it must be four letters, as MJPG or YUYV")
        if self.rtsp_transport not in RTSP_TRANSPORTS:
            raise ValueError(
                f"rtsp transport is {self.rtsp_transport!r}; known: {', '.join(RTSP_TRANSPORTS)}"
            )
        if self.retries is not None and self.retries < 0:
            raise ValueError(f"retries is {self.retries}; it must be a whole number of at least 0")
