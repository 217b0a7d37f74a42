"""Reading live sources in tests."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Union

from yolo_edge.sources import CaptureOptions, FailedFrame, Frame, open_sources

Items = list[Union[Frame, FailedFrame]]


def take(url: str, options: CaptureOptions, enough: Callable[[Items], bool] = lambda _: False) -> Items:
    """What a source gives until it is enough, or the source ends; at most for half a minute."""
    (source,) = open_sources([url], capture=options)
    timer = threading.Timer(30, source.close)
    timer.start()
    found: Items = []
    for item in source:
        found.append(item)
        if enough(found):
            break
    timer.cancel()
    source.close()
    return found


def frames_of(items: Items) -> list[Frame]:
    """The frames among them."""
    return [item for item in items if isinstance(item, Frame)]


def errors_of(items: Items) -> list[str]:
    """The reasons of the failures among them, without the source's name."""
    return [item.error.split(": ", 1)[1] for item in items if isinstance(item, FailedFrame)]
