from __future__ import annotations

from collections.abc import Callable

import pytest

from yolo_edge._core import CpuSet
from yolo_edge.tuning.candidates import Candidate, CpuChoice, Runtime
from yolo_edge.tuning.screen import Screening, Space, Trial, look_again, screen

FAST = Runtime("onnxruntime", False, ("fp32",))
NEAR = Runtime("ncnn", True, ("fp32", "bf16"))
FAR = Runtime("openvino", False, ("fp32",))
BIG = CpuChoice("big", CpuSet("4-7"))
ALL = CpuChoice("all", CpuSet("0-7"))
LITTLE = CpuChoice("little", CpuSet("0-3"))


class Clock:
    """A clock that only trials move."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def run(
    space: Space, cost: Callable[[Candidate], float | str], seconds: float = 1e9, each_s: float = 1.0
) -> Screening:
    clock = Clock()

    def measure(candidate: Candidate) -> Trial:
        clock.now += each_s
        found = cost(candidate)
        return Trial(0.0, found) if isinstance(found, str) else Trial(found)

    return screen(space, measure, clock=clock, deadline=clock.now + seconds)


def cost_of(candidate: Candidate) -> float:
    """A machine on which engines differ, four threads are best and slow cores drag the others down."""
    base = {"onnxruntime": 10.0, "ncnn": 12.0, "openvino": 25.0}[candidate.engine]
    cpus = {"4-7": 1.0, "0-7": 1.8, "0-3": 3.0}[candidate.cpus]
    precision = 0.9 if candidate.precision == "bf16" else 1.0
    return base * cpus * precision * {1: 2.0, 2: 1.3, 3: 1.1, 4: 1.0, 7: 1.3, 8: 1.5}[candidate.threads]


def tried(found: Screening, engine: str) -> list[tuple[str, int, str]]:
    return [(c.precision, c.threads, c.cpus) for c in found.trials if c.engine == engine]


def test_the_plan_is_cut_down() -> None:
    found = run(Space([FAST, NEAR, FAR], [BIG, ALL, LITTLE]), cost_of)
    assert list(found.trials)[:3] == [
        Candidate(runtime.engine, runtime.native, "fp32", 4, "4-7") for runtime in (FAST, NEAR, FAR)
    ]
    assert tried(found, "openvino") == [("fp32", 4, "4-7"), ("fp32", 1, "4-7")]
    assert ("fp32", 8, "0-7") in tried(found, "onnxruntime")
    assert ("fp32", 4, "0-7") not in tried(found, "onnxruntime")
    assert ("bf16", 4, "4-7") in tried(found, "ncnn")
    best = found.best()
    assert best is not None
    assert best == Candidate("onnxruntime", False, "fp32", 4, "4-7")
    assert found.skipped == [
        "more of openvino: at best 2.5 times the cost of onnxruntime fp32, 4 threads on CPUs 4-7",
        *(
            f"other threads of {name} on {cpus}: {factor} times the cost of its best"
            for cpus, factor in (("all CPUs 0-7", 2.7), ("little CPUs 0-3", "3.0"))
            for name in ("onnxruntime", "ncnn (native)")
        ),
    ]


def test_one_thread_saves_an_engine_whose_threads_disturb_each_other() -> None:
    def cost(candidate: Candidate) -> float:
        busy = candidate.engine == "ncnn" and candidate.threads > 1
        return 100.0 if busy else cost_of(candidate) / (10 if candidate.engine == "ncnn" else 1)

    best = run(Space([FAST, NEAR], [BIG]), cost).best()
    assert best is not None
    assert (best.engine, best.threads) == ("ncnn", 1)


def test_what_failed_is_followed_no_further() -> None:
    found = run(Space([FAST, NEAR], [BIG]), lambda c: "no" if c.engine == "ncnn" else cost_of(c))
    assert tried(found, "ncnn") == [("fp32", 4, "4-7"), ("fp32", 1, "4-7")]
    assert found.best(NEAR) is None
    assert run(Space([FAST], [BIG]), lambda c: "no").best() is None


@pytest.mark.parametrize(
    ("seconds", "count"),
    [
        pytest.param(0.0, 1, id="no time: the first all the same"),
        pytest.param(3.0, 3, id="three"),
        pytest.param(100.0, 9, id="enough"),
    ],
)
def test_for_want_of_time(seconds: float, count: int) -> None:
    found = run(Space([FAST, NEAR], [BIG]), lambda c: cost_of(c), seconds)
    assert len(found.trials) == count
    named = [text for text in found.skipped if text.startswith("for want of time")]
    assert bool(named) == (seconds < 100)
    if named:
        assert "1 thread on CPUs 4-7" in named[0]


def test_a_second_look() -> None:
    """The first look at four threads was disturbed, one was hopeless then, one lost boxes."""
    four, two, one = (Candidate("ncnn", True, "fp32", threads, "4-7") for threads in (4, 2, 1))
    wrong = Candidate("ncnn", True, "bf16", 4, "4-7")
    found = Screening(
        {
            four: Trial(30.0),
            two: Trial(float("inf"), "hopeless", slow=True),
            one: Trial(20.0),
            wrong: Trial(5.0, "boxes"),
        }
    )
    looked = []

    def measure(candidate: Candidate) -> Trial:
        looked.append(candidate)
        clock.now += 1.0
        return Trial({four: 10.0, two: 13.0, one: 21.0}[candidate])

    clock = Clock()
    look_again(found, list(found.trials), measure, clock=clock, deadline=clock.now + 10)
    assert looked == [one, four, two]
    assert [found.cost(candidate) for candidate in (four, two, one)] == [10.0, 13.0, 20.0]
    assert found.best() == four
    assert found.trials[wrong].fault == "boxes"
    looked.clear()
    look_again(found, [four, two, one], measure, clock=clock, deadline=clock.now + 1.5)
    assert looked == [four], "the time is up"


def test_workers_only_where_they_may_win() -> None:
    assert all(c.workers == 1 for c in run(Space([FAST], [BIG]), cost_of).trials)
    found = run(Space([FAST], [BIG], workers=True), lambda c: cost_of(c) / c.workers)
    assert {(c.workers, c.threads) for c in found.trials if c.workers > 1} == {(4, 1), (2, 2)}
    best = found.best()
    assert best is not None
    assert best.workers == 4


def test_a_frugal_search_begins_with_one_thread() -> None:
    found = run(Space([FAST], [BIG], frugal=True), lambda c: float(c.threads))
    assert next(iter(found.trials)).threads == 1


def test_a_quota_limits_threads() -> None:
    found = run(Space([FAST], [BIG], quota_cpus=1.0), cost_of)
    assert {c.threads for c in found.trials} == {1}
