"""What every output does."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from types import TracebackType
from typing import ClassVar

from yolo_edge.detections import Detections
from yolo_edge.sources.base import FailedFrame, Frame


class StopRun(Exception):  # noqa: N818 - no error
    """Raised by an output that has enough: the run ends cleanly after this frame."""


class Sink(ABC):
    """Takes one result after the other. What was written stays whole if the power fails at the next one.

    Raises:
        SinkError: From any method, when the output cannot be written.
    """

    wants_calling_thread: ClassVar[bool] = False
    """Whether results have to come in the thread that started the run, not in one that only writes."""

    @abstractmethod
    def write(self, frame: Frame, detections: Detections) -> None:
        """Takes the result of one frame."""

    def fail(self, failed: FailedFrame) -> None:  # noqa: B027 - most outputs have no place for it
        """Takes a frame or a rest of a source that could not be read."""

    def close(self) -> None:  # noqa: B027 - most outputs hold nothing
        """Finishes the output; may be called twice."""

    @property
    def outputs(self) -> list[str]:
        """What was written and where, for the closing message."""
        return []

    def __enter__(self) -> Sink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


_NOT_TEXT = re.compile("[\ud800-\udfff]")


def writable(text: str) -> str:
    """Text that can be written as UTF-8.

    Python keeps the bytes of a file name that is not UTF-8 as surrogates, and they cannot.
    """
    return _NOT_TEXT.sub("\N{REPLACEMENT CHARACTER}", text)
