"""When to connect again."""

from __future__ import annotations

import random

from yolo_edge.capture_options import CaptureOptions
from yolo_edge.errors import SourceError

USER_DELAY_S = 30.0
"""Before the next attempt when only a person can help: a camera locks out who tries passwords too often."""
SETTLED_S = 10.0
"""A connection that brought frames for so long was a good one: the waits start again from the shortest."""


class StreamLost(SourceError):  # noqa: N818 - an event in a source's life rather than an error of the program
    """A live source that cannot be opened, or stopped.

    Attributes:
        needs_user: Trying again soon will not help: wrong password, no such stream.
        final: Trying again will never help.
        at_once: Given up by us, not by the other side: there is nothing to wait for.
    """

    def __init__(
        self, reason: str, *, needs_user: bool = False, final: bool = False, at_once: bool = False
    ) -> None:
        super().__init__(reason)
        self.at_once = at_once
        self.needs_user = needs_user
        self.final = final


class Backoff:
    """Waits that double with every failure, each shortened by chance so that cameras do not come in step.

    Args:
        options: The shortest and the longest wait.
        rng: Where the chance comes from; seeded in tests.
    """

    def __init__(self, options: CaptureOptions, rng: random.Random | None = None) -> None:
        self._options = options
        self._rng = rng if rng is not None else random.Random()
        self._failures = 0

    def delay_s(self, lost: StreamLost) -> float:
        """Counts a failure and tells how long to wait."""
        if lost.at_once:
            return 0.0
        options = self._options
        longest = min(options.first_delay_s * 2.0 ** min(self._failures, 32), options.longest_delay_s)
        self._failures += 1
        if lost.needs_user:
            longest = USER_DELAY_S
        return longest * self._rng.uniform(0.5, 1.0)

    def reset(self) -> None:
        """The connection is a good one."""
        self._failures = 0
