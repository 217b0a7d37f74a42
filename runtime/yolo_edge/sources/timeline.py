"""When a picture was taken, on this machine's clock."""

from __future__ import annotations

import math

from yolo_edge.sources.reconnect import StreamLost

DRIFT = 100e-6
"""How much faster than the sender's clock ours may run: twice what two quartz clocks differ by."""
RESTART_S = 1.0
"""Presentation times that go back by more than this start anew; reordered frames go back by less."""
CATCH_UP_S = 1.0
"""How long what came late may take to catch up before the backlog counts as the network's."""
DRAINED_S = 0.005
"""A read that had to wait so long found nothing waiting on this side."""


class Timeline:
    """Maps the sender's presentation times to ``time.monotonic``.

    A frame arrives a while after it was taken: encoding and an idle network take a little, a queue on the way
    takes any time. The smallest difference of arrival and presentation time seen so far belongs to a frame
    that no queue held up, so presentation time + smallest difference is when a frame left the camera, however
    late it is here. The smallest difference may grow by :data:`DRIFT`, for two clocks do not run alike; it
    falls at once when the sender's clock is the faster one or jumps ahead. Times that go back (a wrap, a
    restarted encoder) start anew. What every frame takes, the camera's own delay, cannot be seen.
    """

    def __init__(self) -> None:
        self._difference = math.inf
        self._seen_at = 0.0
        self._newest = -math.inf

    def observe(self, presented_s: float, arrived: float) -> None:
        """Takes in that the frame of this presentation time arrived then."""
        difference = arrived - presented_s
        restarted = presented_s < self._newest - RESTART_S
        if restarted or difference <= self._allowed(arrived):
            self._difference, self._seen_at = difference, arrived
        self._newest = presented_s if restarted else max(self._newest, presented_s)

    def captured(self, presented_s: float, now: float) -> float:
        """When the frame of this presentation time was taken; ``now`` at the latest."""
        return min(now, presented_s + self._allowed(now))

    def _allowed(self, now: float) -> float:
        return self._difference + DRIFT * max(0.0, now - self._seen_at)


class LagWatch:
    """Decides which frames are too late to be worth decoding.

    Args:
        max_lag_s: Frames that arrive later than this after their capture are; None takes all.
    """

    def __init__(self, max_lag_s: float | None) -> None:
        self._max_lag_s = max_lag_s
        self._late_since: float | None = None

    def too_late(self, lag_s: float, waited_s: float, now: float) -> bool:
        """Whether to drop a frame.

        Args:
            lag_s: From its capture to its arrival.
            waited_s: How long was waited for its data; almost nothing when it lay here already.
            now: Its arrival.

        Raises:
            StreamLost: All that came was read and it is still too old: the queue is on the other side, and
                only a new connection leaves it behind.
        """
        if self._max_lag_s is None or lag_s <= self._max_lag_s:
            self._late_since = None
            return False
        if self._late_since is None:
            self._late_since = now
        elif waited_s > DRAINED_S and now - self._late_since > CATCH_UP_S:
            raise StreamLost(
                f"frames arrive {lag_s:.1f} s late, for the network is slower than the camera; connecting "
                "anew to drop those on their way (a lower bitrate or the camera's second stream avoids this)",
                at_once=True,
            )
        return True
