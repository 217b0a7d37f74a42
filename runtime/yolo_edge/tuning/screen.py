"""Tries candidates once each, from the most promising on, and leaves out what cannot win."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from yolo_edge.tuning.candidates import Candidate, CpuChoice, Runtime, thread_counts, worker_splits

ENGINE_CUT = 2.0
"""An engine that costs more than this many times the best one, with all threads and with one, is left out."""

CPUS_CUT = 1.5
"""CPUs on which an engine costs more than this many times its best are tried with no other threads."""


@dataclass(frozen=True)
class Space:
    """What there is to choose from."""

    runtimes: Sequence[Runtime]
    cpus: Sequence[CpuChoice]
    """Sets of CPUs, the usual one first."""
    quota_cpus: float | None = None
    workers: bool = False
    """Whether several engines at once may win: they help throughput, never latency."""
    frugal: bool = False
    """Try fewer threads before more: for CPU time more rarely pay."""


@dataclass(frozen=True)
class Trial:
    """What came of a candidate."""

    cost: float
    """Lower is better; meaningless after a fault."""
    fault: str = ""
    """Why it may not win."""
    slow: bool = False
    """The fault is only that it was slow, which something else may have been the cause of."""


@dataclass
class Screening:
    """Results, in the order of their making."""

    trials: dict[Candidate, Trial] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    """What was not tried, and why: lines for people."""

    def best(self, runtime: Runtime | None = None) -> Candidate | None:
        """The cheapest sound candidate, of one runtime or of all."""
        sound = [
            candidate
            for candidate, trial in self.trials.items()
            if not trial.fault and (runtime is None or _is_of(candidate, runtime))
        ]
        return min(sound, key=lambda candidate: self.trials[candidate].cost, default=None)

    def cost(self, candidate: Candidate) -> float:
        """What it cost."""
        return self.trials[candidate].cost


def screen(
    space: Space,
    measure: Callable[[Candidate], Trial],
    *,
    clock: Callable[[], float],
    deadline: float,
    result: Screening | None = None,
) -> Screening:
    """Tries candidates until the plan or the time is at its end.

    The plan: each engine on the usual CPUs with all threads and with one; of those not far behind several
    workers, where they may win, the other numbers of threads, then the other sets of CPUs, and last at each
    engine's best the other kinds of arithmetic.

    Args:
        space: What there is to choose from.
        measure: Tries one.
        clock: Seconds; ``time.monotonic``, or a test's.
        deadline: When to stop, on that clock. The first candidate is tried whatever the time.
        result: Where results go as they come, so that they are there after an interruption too.
    """
    found = result if result is not None else Screening()
    untried: list[Candidate] = []
    started = clock()
    for candidate in _plan(space, found):
        if candidate in found.trials or candidate in untried:
            continue
        usual_s = (clock() - started) / max(1, len(found.trials))
        if found.trials and clock() + usual_s > deadline:
            untried.append(candidate)
            continue
        found.trials[candidate] = measure(candidate)
    if untried:
        names = "; ".join(candidate.describe() for candidate in untried)
        found.skipped.append(f"for want of time ({len(untried)}): {names}")
    return found


def look_again(
    found: Screening,
    candidates: Sequence[Candidate],
    measure: Callable[[Candidate], Trial],
    *,
    clock: Callable[[], float],
    deadline: float,
) -> None:
    """Tries candidates once more, the most promising first; the better result stands.

    Each was tried in a moment of its own, and what else ran in that moment can only have made it slower:
    several threads lose most when another program takes one of their CPUs.

    Args:
        found: What came of them; changed.
        candidates: Which of them.
        measure: Tries one.
        clock: Seconds; ``time.monotonic``, or a test's.
        deadline: When to stop, on that clock.
    """
    trials = found.trials
    promising = [c for c in candidates if not trials[c].fault or trials[c].slow]
    promising.sort(key=lambda candidate: (trials[candidate].slow, trials[candidate].cost))
    usual_s = 0.0
    for candidate in promising:
        started = clock()
        if started + usual_s > deadline:
            break
        trial = measure(candidate)
        if improves(trial, trials[candidate]):
            trials[candidate] = trial
        usual_s = max(usual_s, clock() - started)


def improves(trial: Trial, before: Trial) -> bool:
    """Whether a second trial says more for a candidate than the first."""
    return not trial.fault and (bool(before.fault) or trial.cost < before.cost)


def _plan(space: Space, found: Screening) -> Iterator[Candidate]:
    """Candidates, each chosen when the results of those before it are known. Some come twice."""
    usual_cpus = space.cpus[0]
    counts = thread_counts(len(usual_cpus.cpus), space.quota_cpus)
    # One thread too: threads that wait for each other suffer most when something else runs meanwhile.
    for threads in dict.fromkeys((counts[-1], counts[0]) if space.frugal else (counts[0], counts[-1])):
        for runtime in space.runtimes:
            yield _candidate(runtime, threads, usual_cpus)
    near = _near(space, found)
    if space.workers:
        yield from _with_workers(near, space)
    for runtime in near:
        for threads in counts:
            yield _candidate(runtime, threads, usual_cpus)
    for choice in space.cpus[1:]:
        for runtime in near:
            yield from _on_other_cpus(runtime, choice, space, found)
    for runtime in near:
        best = found.best(runtime)
        for precision in runtime.precisions[1:]:
            if best is not None:
                yield dataclasses.replace(best, precision=precision)


def _near(space: Space, found: Screening) -> list[Runtime]:
    """The runtimes worth more trials, the fastest first; tells of the others."""
    best = found.best()
    if best is None:
        return list(space.runtimes)
    near = []
    for runtime in space.runtimes:
        own = found.best(runtime)
        if own is None:
            continue  # its fault is in the table
        factor = found.cost(own) / found.cost(best)
        if factor > ENGINE_CUT:
            found.skipped.append(
                f"more of {runtime.title}: at best {factor:.1f} times the cost of {best.describe()}"
            )
        else:
            near.append((factor, runtime))
    return [runtime for _, runtime in sorted(near, key=lambda pair: pair[0])]


def _on_other_cpus(
    runtime: Runtime, choice: CpuChoice, space: Space, found: Screening
) -> Iterator[Candidate]:
    counts = thread_counts(len(choice.cpus), space.quota_cpus)
    if space.frugal:
        counts.reverse()
    first = _candidate(runtime, counts[0], choice)
    yield first
    best, trial = found.best(runtime), found.trials.get(first)
    if best is None or trial is None or trial.fault:
        return
    factor = trial.cost / found.cost(best)
    if factor > CPUS_CUT:
        if len(counts) > 1:
            found.skipped.append(
                f"other threads of {runtime.title} on {choice.name} CPUs {choice.cpus}: "
                f"{factor:.1f} times the cost of its best"
            )
        return
    for threads in counts[1:]:
        yield _candidate(runtime, threads, choice)


def _with_workers(near: Sequence[Runtime], space: Space) -> Iterator[Candidate]:
    for choice in space.cpus:
        for workers, threads in worker_splits(len(choice.cpus), space.quota_cpus):
            for runtime in near:
                yield dataclasses.replace(_candidate(runtime, threads, choice), workers=workers)


def _candidate(runtime: Runtime, threads: int, choice: CpuChoice) -> Candidate:
    return Candidate(runtime.engine, runtime.native, runtime.precisions[0], threads, str(choice.cpus))


def _is_of(candidate: Candidate, runtime: Runtime) -> bool:
    return (candidate.engine, candidate.native) == (runtime.engine, runtime.native)
