"""Measures rows side by side: in turn, block by block, so that a machine that drifts is fair to all."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from yolo_edge._core import CpuSet
from yolo_edge.errors import EngineError
from yolo_edge.progress import Progress, duration
from yolo_edge.tuning.candidates import Candidate
from yolo_edge.tuning.conditions import Conditions, Sensors
from yolo_edge.tuning.measure import Block, Network, Subject, warm_up
from yolo_edge.tuning.statistics import Ratio, median, paired_ratio, quantile

STAGES = ("decode", "letterbox", "inference", "postprocess")
"""In the order in which a frame goes through them; ``decode`` only where there is a source."""

_FRAMES_OF_A_BLOCK = 5


@dataclass(frozen=True)
class ComparisonOptions:
    """How much is measured.

    Raises:
        ValueError: A number that is too small.
    """

    pairs: int = 50
    """Runs of each row that count, at least; each is timed as a whole and in the engine."""

    warmup: int | None = None
    """Runs of each row before that; None runs each until it gets no faster."""

    def __post_init__(self) -> None:
        for name, value, least in (("pairs", self.pairs, 1), ("warmup", self.warmup, 0)):
            if value is not None and value < least:
                raise ValueError(f"{name} is {value}; it must be a whole number of at least {least}")

    @property
    def rounds(self) -> int:
        """How often all rows are measured in turn."""
        return math.ceil(self.pairs / _FRAMES_OF_A_BLOCK)


@dataclass
class ComparedRow:
    """A candidate and what was measured of it."""

    candidate: Candidate
    label: str
    """How the table calls it."""
    blocks: list[Block] = field(default_factory=list)
    """One frame after the other."""
    streams: list[Block] = field(default_factory=list)
    """Stages overlapped, as ``run`` does with files."""
    fault: str = ""
    """Why it was not measured to the end."""

    def times(self, stage: str) -> list[float]:
        """Milliseconds of all frames in a stage; empty where there is no such stage."""
        return [value for block in self.blocks for value in block.times_ms.get(stage, ())]

    def summary(self, stage: str) -> dict[str, float]:
        """Median, 95th percentile and smallest time of a stage, in milliseconds."""
        times = self.times(stage)
        return {"median": median(times), "p95": quantile(times, 0.95), "min": min(times)}

    @property
    def fps(self) -> float:
        """Frames per second, one after the other, of frames that are decoded already."""
        return 1e3 / median(self.times("pipeline"))

    @property
    def stream_fps(self) -> float:
        """Frames per second with stages overlapped, decoding included where there is a source."""
        return median([block.frames / block.wall_s for block in self.streams])

    @property
    def cpu_ms(self) -> float:
        """CPU time of a frame."""
        return 1e3 * sum(b.cpu_s for b in self.blocks) / sum(b.frames for b in self.blocks)

    def pipeline_to_engine(self) -> Ratio:
        """What everything but the engine costs: the whole time of a frame over the engine's part of it."""
        return paired_ratio(self.times("pipeline"), self.times("engine"))

    def ratio_to(self, other: ComparedRow) -> Ratio:
        """The time of a frame over another row's, round by round."""
        return paired_ratio([b.frame_ms for b in self.blocks], [b.frame_ms for b in other.blocks])


@dataclass
class Comparison:
    """Rows in the order in which they were asked for."""

    rows: list[ComparedRow]
    conditions: Conditions

    @property
    def measured(self) -> list[ComparedRow]:
        """Those with figures."""
        return [row for row in self.rows if row.blocks and row.streams]

    @property
    def fastest(self) -> ComparedRow:
        """The row with the lowest median; there has to be one with figures."""
        return min(self.measured, key=lambda row: median(row.times("pipeline")))


def compare(
    comparison: Comparison,
    network: Network,
    options: ComparisonOptions,
    *,
    progress: Progress,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Loads all rows, warms them up and measures them in turn (A B C A B C ...).

    Args:
        comparison: Its rows; figures are added as they come, so that they are there after an interruption.
        network: What is measured.
        options: How much.
        progress: Told how far it is.
        clock: Seconds; ``time.monotonic``, or a test's.
    """
    with ExitStack() as stack:
        subjects: dict[int, Subject] = {}
        for number, row in enumerate(comparison.rows):
            progress.status(f"{row.label}: loading and warming up")
            cpus = list(CpuSet(row.candidate.cpus))
            try:
                subject = Subject(row.candidate, network, on_wait=_looker(comparison.conditions, cpus))
                subjects[number] = stack.enter_context(subject)
                _warm_up(subject, options, clock)
            except EngineError as error:
                row.fault = str(error)
        started = clock()
        for round_number in range(options.rounds):
            for number, subject in subjects.items():
                row = comparison.rows[number]
                if row.fault:
                    continue
                try:
                    block = subject.run(_FRAMES_OF_A_BLOCK)
                    stream = subject.run(_FRAMES_OF_A_BLOCK, overlap=True)
                except EngineError as error:
                    row.fault = str(error)
                    continue
                comparison.conditions.end_of_block(list(CpuSet(row.candidate.cpus)))
                row.blocks.append(block)
                row.streams.append(stream)
            done = round_number + 1
            left_s = (clock() - started) / done * (options.rounds - done)
            progress.status(f"round {done} of {options.rounds}, {duration(left_s)} left")


def new_comparison(rows: Sequence[ComparedRow], network: Network) -> Comparison:
    """A comparison that has not begun."""
    return Comparison(list(rows), Conditions(Sensors(network.root)))


def _warm_up(subject: Subject, options: ComparisonOptions, clock: Callable[[], float]) -> None:
    if options.warmup is None:
        warm_up(subject, clock=clock)
    elif options.warmup > 0:
        subject.run(options.warmup)


def _looker(conditions: Conditions, cpus: list[int]) -> Callable[[], None]:
    return lambda: conditions.look(cpus)
