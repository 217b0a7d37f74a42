from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from yolo_edge.errors import EngineError
from yolo_edge.tuning.candidates import Candidate
from yolo_edge.tuning.race import FEWEST_ROUNDS, MOST_ROUNDS, Lane, RaceResult, race, ranked, ties_with
from yolo_edge.tuning.statistics import Ratio

ONE = Candidate("onnxruntime", False, "fp32", 1, "0-3")
TWO = Candidate("onnxruntime", False, "fp32", 2, "0-3")
FOUR = Candidate("onnxruntime", False, "fp32", 4, "0-3")
HALF = Candidate("ncnn", True, "bf16", 4, "0-3")


class Machine:
    """Candidates with true costs on a machine that drifts and is noisy; each sample takes its cost in ms."""

    def __init__(self, costs: dict[Candidate, float], noise: float = 0.0, drift: float = 0.0) -> None:
        self.costs, self.noise, self.drift = costs, noise, drift
        self.now = 0.0
        self.samples: list[Candidate] = []
        self.left: list[Candidate] = []
        self._chance = random.Random(1)

    def clock(self) -> float:
        return self.now

    def sample(self, candidate: Candidate) -> float:
        self.samples.append(candidate)
        cost = self.costs[candidate] * (1 + self.drift * len(self.samples))
        cost *= self._chance.lognormvariate(0, self.noise)
        self.now += cost / 1e3
        return cost

    def race(self, seconds: float = 1e9, sample: Callable[[Candidate], float] | None = None) -> RaceResult:
        return race(
            [Lane(candidate, cost) for candidate, cost in self.costs.items()],
            sample or self.sample,
            clock=self.clock,
            deadline=self.now + seconds,
            on_leave=self.left.append,
        )


def order(result: RaceResult) -> list[Candidate]:
    return [lane.candidate for lane in result.lanes]


def test_the_slower_leave() -> None:
    machine = Machine({ONE: 20.0, TWO: 12.0, FOUR: 10.0})
    result = machine.race()
    assert order(result) == [FOUR, TWO, ONE]
    assert set(machine.left) == {ONE, TWO}
    assert (result.rounds, result.stopped) == (FEWEST_ROUNDS, "the others were surely slower")
    assert machine.samples[:6] == [ONE, TWO, FOUR, ONE, TWO, FOUR]


@pytest.mark.parametrize(
    ("costs", "noise", "winner"),
    [
        pytest.param({FOUR: 10.0, ONE: 10.05}, 0.0, ONE, id="half a percent is a tie"),
        pytest.param({FOUR: 10.0, ONE: 10.5}, 0.0, FOUR, id="five percent is none"),
        pytest.param({FOUR: 10.0, TWO: 10.0, ONE: 10.0}, 0.05, ONE, id="equal under noise"),
        pytest.param({HALF: 9.95, FOUR: 10.0}, 0.01, FOUR, id="float32 before bfloat16"),
        pytest.param({FOUR: 10.0, ONE: 11.5}, 0.1, FOUR, id="clear under noise"),
    ],
)
def test_ties_go_to_the_simpler(costs: dict[Candidate, float], noise: float, winner: Candidate) -> None:
    assert order(Machine(costs, noise).race())[0] == winner


@pytest.mark.parametrize("drift", [0.02, -0.002], ids=["slower and slower", "faster and faster"])
def test_a_machine_that_drifts(drift: float) -> None:
    costs = {ONE: 11.5, TWO: 11.0, FOUR: 10.0}
    for first in (0, 1, 2):
        names = [*costs][first:] + [*costs][:first]
        result = Machine({name: costs[name] for name in names}, noise=0.02, drift=drift).race()
        assert order(result)[0] == FOUR


def test_the_winner_is_rarely_far_from_the_best() -> None:
    chance = random.Random(7)
    worst = []
    for _ in range(60):
        costs = {c: chance.uniform(10, 11) for c in (ONE, TWO, FOUR, HALF)}
        machine = Machine(costs, noise=0.05)
        machine._chance = chance
        worst.append(costs[order(machine.race())[0]] / min(costs.values()))
    assert sorted(worst)[-3] < 1.03


@pytest.mark.parametrize(
    ("seconds", "rounds"),
    [pytest.param(0.0, 0, id="no time"), pytest.param(0.065, 3, id="three rounds")],
)
def test_the_time_is_up(seconds: float, rounds: int) -> None:
    machine = Machine({FOUR: 10.0, ONE: 10.0})
    result = machine.race(seconds)
    assert (result.rounds, result.stopped) == (rounds, "the time was up")
    assert all(len(lane.costs) == rounds for lane in result.lanes)


def test_without_a_round_the_screening_decides() -> None:
    assert order(Machine({FOUR: 10.0, ONE: 20.0}).race(0.0)) == [FOUR, ONE]


def test_equal_ones_run_all_rounds() -> None:
    assert Machine({FOUR: 10.0, ONE: 10.0}).race().rounds == MOST_ROUNDS


@pytest.mark.parametrize("candidates", [pytest.param([], id="none"), pytest.param([ONE], id="one")])
def test_nothing_to_race(candidates: Sequence[Candidate]) -> None:
    machine = Machine(dict.fromkeys(candidates, 10.0))
    assert order(machine.race()) == candidates
    assert machine.samples == []


def test_one_that_breaks_down_is_last() -> None:
    machine = Machine({ONE: 5.0, TWO: 12.0, FOUR: 10.0})

    def sample(candidate: Candidate) -> float:
        if candidate == ONE and len(machine.samples) > 7:
            raise EngineError("gone")
        return machine.sample(candidate)

    result = machine.race(sample=sample)
    assert order(result) == [FOUR, TWO, ONE]
    assert result.lanes[-1].fault == "gone"
    assert machine.left[0] == ONE


def test_all_break_down() -> None:
    machine = Machine({ONE: 10.0, TWO: 10.0})

    def sample(candidate: Candidate) -> float:
        if len(machine.samples) >= 2 * FEWEST_ROUNDS:
            raise EngineError("gone")
        return machine.sample(candidate)

    assert [lane.fault for lane in machine.race(sample=sample).lanes] == ["gone", "gone"]


def test_an_interruption_keeps_whole_rounds() -> None:
    machine = Machine({FOUR: 10.0, ONE: 20.0})
    lanes = [Lane(candidate, 1.0) for candidate in machine.costs]

    def sample(candidate: Candidate) -> float:
        if len(machine.samples) == 5:
            raise KeyboardInterrupt
        return machine.sample(candidate)

    with pytest.raises(KeyboardInterrupt):
        race(lanes, sample, clock=machine.clock, deadline=1e9)
    assert [len(lane.costs) for lane in lanes] == [2, 2]
    assert [lane.candidate for lane in ranked(lanes)] == [FOUR, ONE]


@pytest.mark.parametrize(
    ("ratio", "tie"),
    [
        pytest.param(Ratio(1.005, 1.004, 1.006), True, id="next to nothing"),
        pytest.param(Ratio(1.015, 0.99, 1.03), True, id="not to be told apart"),
        pytest.param(Ratio(1.015, 1.01, 1.02), False, id="told apart"),
        pytest.param(Ratio(1.05, 0.9, 1.2), False, id="noisy, but far"),
    ],
)
def test_what_is_a_tie(ratio: Ratio, tie: bool) -> None:
    assert ties_with(ratio) == tie
