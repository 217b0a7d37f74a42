"""From a bundle to the best way of running it here: screen, race, rank."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from yolo_edge import _core
from yolo_edge.bundle import Bundle
from yolo_edge.errors import BundleError, EngineError, MissingExtraError
from yolo_edge.progress import Progress, duration
from yolo_edge.tuning.candidates import (
    Candidate,
    cpu_choices,
    not_installed,
    runtimes_of,
    without_int8,
)
from yolo_edge.tuning.conditions import Conditions, EnergyMeter, Sensors
from yolo_edge.tuning.machine import engine_versions
from yolo_edge.tuning.measure import Block, Network, Subject, frames_of_a_block, warm_up
from yolo_edge.tuning.options import TuneOptions
from yolo_edge.tuning.profile import TunedRow, Tuning
from yolo_edge.tuning.race import MOST_ROUNDS, Lane, RaceResult, race, ranked
from yolo_edge.tuning.screen import Screening, Space, Trial, improves, look_again, screen
from yolo_edge.tuning.statistics import median, quantile

SCREENING_SHARE = 0.6
"""Of the time; the rest is the race's."""

FINAL_CUT = 1.5
"""Who costs at most this many times the best of the screening enters the race."""

MOST_FINALISTS = 6

_HOPELESS = 10.0
"""Two frames that cost this many times the best row's end a trial: threads that wait for each other, say."""

_BYTES_OF_A_FINALIST = 256 << 20
"""What a loaded engine with Python may need; finalists are loaded at the same time."""

_SCREEN_BLOCK_S = 0.4
_RACE_BLOCK_S = 0.3
_WARM_UP_S = 3.0


@dataclass
class Row:
    """A candidate, what was measured of it, and why it may not win."""

    candidate: Candidate
    blocks: list[Block] = field(default_factory=list)
    fault: str = ""

    def figures(self, cost_to_best: float, raced: bool) -> TunedRow:
        """Its figures; there has to be a block."""
        times = [value for block in self.blocks for value in block.times_ms["pipeline"]]
        frames = sum(block.frames for block in self.blocks)
        joules = [block.joules for block in self.blocks if block.joules is not None]
        return TunedRow(
            candidate=self.candidate,
            median_ms=median(times),
            p95_ms=quantile(times, 0.95),
            fps=frames / sum(block.wall_s for block in self.blocks),
            cpu_ms=sum(block.cpu_s for block in self.blocks) * 1e3 / frames,
            joules=sum(joules) / frames if joules else None,
            cost_to_best=cost_to_best,
            raced=raced,
        )


class Tuner:
    """One run of ``tune``; what it has found so far can be asked for at any time, after Ctrl-C too.

    Args:
        bundle: The bundle.
        network: It at a size.
        options: What is wanted.
        progress: Told how far it is; None for none.
        clock: Seconds; ``time.monotonic``, or a test's.

    Raises:
        ValueError: An engine that is not known.
        MissingExtraError: No engine of the bundle's targets is installed.
        BundleError: Those that are have only 8-bit weights in it.
    """

    def __init__(
        self,
        bundle: Bundle,
        network: Network,
        options: TuneOptions,
        *,
        progress: Progress | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.options = options
        self.screening = Screening()
        self.race: RaceResult | None = None
        self.conditions = Conditions(Sensors(network.root))
        self._bundle = bundle
        self._network = network
        self._progress = progress if progress is not None else Progress(quiet=True)
        self._clock = clock
        self._end = 0.0
        self._rows: dict[Candidate, Row] = {}
        self._energy = options.objective == "efficiency" and EnergyMeter(network.root).available
        topology = _core.CpuTopology.read(network.root)
        installed = runtimes_of(bundle, options.engines)
        self._space = Space(
            runtimes=without_int8(installed),
            cpus=cpu_choices(topology, network.root, leave_one=options.objective == "throughput"),
            quota_cpus=topology.quota_cpus,
            workers=options.objective == "throughput",
            frugal=options.objective == "efficiency",
        )
        if installed and not self._space.runtimes:
            engines = ", ".join(dict.fromkeys(runtime.engine for runtime in installed))
            raise BundleError(
                f"no engine to measure: {bundle.title} has only 8-bit weights for {engines}, "
                "which tune never chooses"
            )
        if not self._space.runtimes:
            held = sorted({target.engine for target in bundle.targets})
            raise MissingExtraError(
                f"no engine to measure: {bundle.title} has targets for {', '.join(held)}, of which none that "
                "was asked for is installed"
            )
        missing = not_installed(bundle)
        if missing and options.engines is None:
            self.screening.skipped.append(f"{', '.join(missing)}: not installed")

    @property
    def cost_name(self) -> str:
        """What the objective minimises."""
        if self.options.objective == "latency":
            return "time of a frame from image to boxes, median"
        if self.options.objective == "throughput":
            return "wall time per frame of a run, all workers together, frames decoded beside"
        return "energy of the processor packages per frame" if self._energy else "CPU time per frame"

    def run(self) -> None:
        """Measures; takes about as long as the options' budget at most.

        Raises:
            EngineError: No candidate passed.
        """
        self._end = self._clock() + self.options.budget_s
        deadline = self._end - self.options.budget_s * (1 - SCREENING_SHARE)
        screen(self._space, self._try, clock=self._clock, deadline=deadline, result=self.screening)
        near = self._finalists()
        others = [candidate for candidate in self.screening.trials if candidate not in near]
        look_again(self.screening, others, self._try, clock=self._clock, deadline=deadline)
        finalists = self._finalists()
        if not finalists:
            faults = "; ".join(f"{row.candidate.describe()}: {row.fault}" for row in self._rows.values())
            raise EngineError(f"no configuration may be used: {faults}")
        with ExitStack() as stack:
            self._race(self._load(finalists, stack) if len(finalists) > 1 else {}, finalists)

    def _load(self, finalists: Sequence[Candidate], stack: ExitStack) -> dict[Candidate, Subject]:
        subjects = {}
        for candidate in finalists:
            self._progress.status(f"{candidate.describe()}: loading, {self._time_left()}")
            try:
                subjects[candidate] = stack.enter_context(self._open(candidate))
                self._warm_up(subjects[candidate])
            except EngineError as error:
                self._rows[candidate].fault = str(error)
        return subjects

    def _race(self, subjects: dict[Candidate, Subject], finalists: Sequence[Candidate]) -> None:
        blocks: dict[Candidate, list[Block]] = {candidate: [] for candidate in finalists}

        def sample(candidate: Candidate) -> float:
            frames = frames_of_a_block(self._rows[candidate].blocks[0].frame_ms, _RACE_BLOCK_S)
            block = self._measure(subjects[candidate], frames)
            blocks[candidate].append(block)
            return self._cost(block)

        lanes = [Lane(c, self.screening.cost(c)) for c in finalists if not self._rows[c].fault]
        self.race = RaceResult(lanes, 0, "interrupted")
        try:
            self.race = race(
                lanes,
                sample,
                clock=self._clock,
                deadline=self._end,
                on_leave=lambda candidate: subjects[candidate].close(),
                on_round=lambda rounds, left: self._progress.status(
                    f"race: round {rounds} of {MOST_ROUNDS}, {left} left in it, {self._time_left()}"
                ),
            )
        finally:
            if self.race.lanes is lanes:  # interrupted: what the finished rounds say
                rounds = max((len(lane.costs) for lane in lanes), default=0)
                self.race = RaceResult(ranked(lanes), rounds, "interrupted")
            for lane in lanes:
                row = self._rows[lane.candidate]
                row.fault = lane.fault
                if lane.costs:
                    row.blocks = blocks[lane.candidate][: len(lane.costs)]

    def _time_left(self) -> str:
        return f"at most {duration(max(0.0, self._end - self._clock()))} left"

    def ranking(self) -> list[TunedRow]:
        """The rows that may win, from the best down."""
        sound = [row for row in self._rows.values() if not row.fault and row.blocks]
        lanes = [lane for lane in self.race.lanes if not lane.fault] if self.race is not None else []
        raced = {lane.candidate for lane in lanes}
        others = sorted(
            (row.candidate for row in sound if row.candidate not in raced),
            key=lambda candidate: (self.screening.cost(candidate), candidate.simplicity()),
        )
        order = [*(lane.candidate for lane in lanes), *others]
        ranking = []
        for candidate in order:
            lane = next((lane for lane in lanes if lane.candidate == candidate and lane.costs), None)
            if lane is not None:
                factor = lane.ratio_to(lanes[0]).median
            else:
                factor = self.screening.cost(candidate) / self.screening.cost(order[0])
            ranking.append(self._rows[candidate].figures(factor, raced=lane is not None))
        return ranking

    def refused(self) -> list[Row]:
        """The rows that may not win, each with its fault."""
        return [row for row in self._rows.values() if row.fault]

    def tuning(self) -> Tuning:
        """What is stored."""
        return Tuning(
            size_hw=self._network.size_hw,
            letterbox=self._network.letterbox,
            objective=self.options.objective,
            measured_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            engines=engine_versions(sorted({target.engine for target in self._bundle.targets})),
            rows=self.ranking(),
            notes=self.conditions.notes(),
        )

    def _try(self, candidate: Candidate) -> Trial:
        """Loads, checks, warms up and measures a candidate once; keeps the better of several times."""
        tried = len(self.screening.trials)
        self._progress.status(f"{candidate.describe()}: {tried} tried, {self._time_left()}")
        row = Row(candidate)
        trial = self._measure_once(row)
        row.fault = trial.fault
        before = self.screening.trials.get(candidate)
        if before is None or improves(trial, before):
            self._rows[candidate] = row
        return trial

    def _measure_once(self, row: Row) -> Trial:
        try:
            with self._open(row.candidate) as subject:
                if hopeless := self._probe(subject):
                    return Trial(math.inf, hopeless, slow=True)
                verdict = subject.check()
                frame_ms = self._warm_up(subject)
                block = self._measure(subject, frames_of_a_block(frame_ms, _SCREEN_BLOCK_S))
        except EngineError as error:
            return Trial(math.inf, str(error))
        row.blocks.append(block)
        return Trial(self._cost(block), verdict.reason)

    def _probe(self, subject: Subject) -> str:
        """Why a candidate is so slow that measuring it would waste the time of others, or nothing."""
        best = self.screening.best()
        if best is None:
            return ""
        factor = self._cost(self._measure(subject, 2)) / self.screening.cost(best)
        return f"{factor:.0f} times the cost of the best: not measured further" if factor > _HOPELESS else ""

    def _finalists(self) -> list[Candidate]:
        best = self.screening.best()
        if best is None:
            return []
        limit = self.screening.cost(best) * FINAL_CUT
        near = [
            candidate
            for candidate, trial in self.screening.trials.items()
            if not trial.fault and trial.cost <= limit
        ]
        near.sort(key=self.screening.cost)
        return near[: max(2, min(MOST_FINALISTS, _free_bytes(self._network.root) // _BYTES_OF_A_FINALIST))]

    def _open(self, candidate: Candidate) -> Subject:
        cpus = list(_core.CpuSet(candidate.cpus))
        return Subject(candidate, self._network, on_wait=lambda: self.conditions.look(cpus))

    def _warm_up(self, subject: Subject) -> float:
        limit_s = min(_WARM_UP_S, self.options.budget_s / 20)
        return warm_up(subject, overlap=self._overlap, limit_s=limit_s, clock=self._clock)

    def _measure(self, subject: Subject, frames: int) -> Block:
        block = subject.run(frames, overlap=self._overlap)
        self.conditions.end_of_block(list(_core.CpuSet(subject.candidate.cpus)))
        return block

    @property
    def _overlap(self) -> bool:
        return self.options.objective == "throughput"

    def _cost(self, block: Block) -> float:
        if self.options.objective == "latency":
            return block.frame_ms
        if self.options.objective == "throughput":
            return block.wall_s * 1e3 / block.frames
        spent = block.joules if self._energy and block.joules is not None else block.cpu_s
        return spent * 1e3 / block.frames


def _free_bytes(root: str) -> int:
    """Memory that new processes may take without anything being swapped out."""
    lines: Sequence[str] = (Path(root) / "proc/meminfo").read_text().splitlines()
    for line in lines:
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    return 0
