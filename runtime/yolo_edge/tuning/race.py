"""Races candidates that are close: measured in turn, the slower ones leave, until the order is clear."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from yolo_edge.errors import EngineError
from yolo_edge.tuning.candidates import Candidate
from yolo_edge.tuning.statistics import Ratio, median, paired_ratio

FEWEST_ROUNDS = 8
"""Nobody leaves and nothing is decided before."""

MOST_ROUNDS = 40

TIE = 1.01
"""Candidates that differ by less are a tie even where the difference can be measured."""

LARGEST_TIE = 1.02
"""Candidates whose medians differ by more are no tie, however noisy they are."""


@dataclass
class Lane:
    """A candidate and what its rounds cost; rounds that it was not in are missing at the end."""

    candidate: Candidate
    screened: float
    """Its cost in the screening, which orders a race that had no time for a round."""
    costs: list[float] = field(default_factory=list)
    fault: str = ""
    """Why it broke down."""

    def ratio_to(self, other: Lane) -> Ratio:
        """Its cost over another's, over the rounds that both were in."""
        return paired_ratio(self.costs, other.costs)


@dataclass
class RaceResult:
    """What a race found."""

    lanes: list[Lane]
    """From the winner down; those that broke down are last."""
    rounds: int
    stopped: str
    """Why it ended."""


def race(
    lanes: Sequence[Lane],
    sample: Callable[[Candidate], float],
    *,
    clock: Callable[[], float],
    deadline: float,
    on_leave: Callable[[Candidate], object] = lambda candidate: None,
    on_round: Callable[[int, int], object] = lambda rounds, lanes: None,
) -> RaceResult:
    """Measures candidates in turn (A B C A B C ...), so that a machine that drifts is fair to all.

    After each round those leave that are surely slower than the leader. It ends when one is left, after
    ``MOST_ROUNDS``, or when the time is up.

    Args:
        lanes: Who takes part; costs are added round by round, so that they are there after an interruption.
        sample: Measures a candidate once and returns its cost, lower is better. An EngineError means that it
            broke down.
        clock: Seconds; ``time.monotonic``, or a test's.
        deadline: When to stop, on that clock; a round in which it passes does not count.
        on_leave: Told who need not be kept loaded any more.
        on_round: Told the number of finished rounds and of those still in.
    """
    running = list(lanes)
    rounds, stopped = 0, "all rounds were run"
    while len(running) > 1 and rounds < MOST_ROUNDS:
        costs: list[tuple[Lane, float]] = []
        for lane in running:
            if clock() >= deadline:
                break
            try:
                costs.append((lane, sample(lane.candidate)))
            except EngineError as error:
                lane.fault = str(error)
                on_leave(lane.candidate)
        running = [lane for lane in running if not lane.fault]
        if clock() >= deadline and len(costs) < len(running):
            stopped = "the time was up"
            break
        for lane, cost in costs:
            lane.costs.append(cost)
        rounds += 1
        on_round(rounds, len(running))
        if rounds >= FEWEST_ROUNDS and running:
            leader = _fastest(running)
            for lane in [lane for lane in running if _surely_slower(lane, leader)]:
                running.remove(lane)
                on_leave(lane.candidate)
    if len(running) == 1 and rounds < MOST_ROUNDS:
        stopped = "the others were surely slower"
    return RaceResult(ranked(lanes), rounds, stopped)


def _fastest(lanes: Sequence[Lane]) -> Lane:
    """The lowest median of those that stayed longest, which compare over the same rounds."""
    longest = max(len(lane.costs) for lane in lanes)
    return min(
        (lane for lane in lanes if len(lane.costs) == longest),
        key=lambda lane: median(lane.costs) if lane.costs else 0.0,
    )


def _surely_slower(lane: Lane, leader: Lane) -> bool:
    return lane is not leader and lane.ratio_to(leader).low > TIE


def ties_with(ratio: Ratio) -> bool:
    """Whether a cost of ``ratio`` times the lowest is as good: next to it, or not to be told from it."""
    return ratio.median <= TIE or (ratio.median <= LARGEST_TIE and ratio.low <= 1.0)


def ranked(lanes: Sequence[Lane]) -> list[Lane]:
    """From the winner down: again and again the simplest of those that tie with the fastest.

    Those that broke down are last. Where not all have finished a round the screening decides.
    """
    broken = [lane for lane in lanes if lane.fault]
    left, order = [lane for lane in lanes if not lane.fault], []
    if any(not lane.costs for lane in left):
        return sorted(left, key=lambda lane: (lane.screened, lane.candidate.simplicity())) + broken
    while left:
        leader = _fastest(left)
        ties = [lane for lane in left if lane is leader or ties_with(lane.ratio_to(leader))]
        best = min(ties, key=lambda lane: lane.candidate.simplicity())
        order.append(best)
        left.remove(best)
    return order + broken
