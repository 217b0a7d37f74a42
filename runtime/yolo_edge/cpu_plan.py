"""Which CPUs the engine gets, how many threads it runs on them, and what is left for everything else."""

from __future__ import annotations

from dataclasses import dataclass, replace

from yolo_edge._core import CpuSet, CpuTopology
from yolo_edge.options import MOST_THREADS, check_count


@dataclass(frozen=True)
class CpuPlan:
    """A choice of CPUs.

    Attributes:
        topology: The machine it was made for.
        engine_cpus: CPUs that the inference thread and its workers are bound to.
        threads: Threads of one inference.
        other_cpus: Allowed CPUs that are left for capture and output; all allowed ones when none is left.
    """

    topology: CpuTopology
    engine_cpus: CpuSet
    threads: int
    other_cpus: CpuSet

    @property
    def warning(self) -> str | None:
        """What is allowed but will not pay, or None."""
        if self.threads > len(self.engine_cpus):
            return (
                f"{self.threads} threads on {len(self.engine_cpus)} CPUs ({self.engine_cpus}) "
                "wait for each other; fewer threads are faster"
            )
        return None


def plan_cpus(
    threads: int | None = None,
    cluster: str | None = None,
    affinity: str | CpuSet | None = None,
    topology: CpuTopology | None = None,
) -> CpuPlan:
    """Chooses the engine's CPUs.

    Args:
        threads: Threads of one inference; None takes one for each CPU chosen, but no more than a cgroup's CPU
            quota feeds.
        cluster: ``all``, ``big``, ``medium`` or ``little``; None takes the big cores, all CPUs where they are
            alike.
        affinity: CPUs by list (``0-3,6``) or mask (``0xf0``) instead of a cluster.
        topology: The machine; None reads this one.

    Raises:
        ValueError: Both ``cluster`` and ``affinity``, a cluster that this machine lacks, a CPU that this
            process may not use, or fewer threads than one or very many.
    """
    if cluster is not None and affinity is not None:
        raise ValueError(f"both cluster {cluster} and affinity {affinity} were given; choose one")
    if threads is not None:
        check_count("threads", threads, MOST_THREADS)
    machine = topology if topology is not None else CpuTopology.read()
    wanted = CpuSet(affinity) if isinstance(affinity, str) else affinity
    cpus = machine.select(cluster=cluster, affinity=wanted)
    rest = machine.allowed - cpus
    return CpuPlan(
        topology=machine,
        engine_cpus=cpus,
        threads=threads if threads is not None else machine.default_threads(cpus),
        other_cpus=rest if len(rest) else machine.allowed,
    )


def workers_for_files(plan: CpuPlan, *, shares_workers: bool) -> int:
    """How many engines compute the frames of files fastest where nobody said how many.

    Files are read, letterboxed and written while the engine computes. Where it has every CPU that takes time
    from one of its threads, and the others wait for that one. Of two engines on half of the CPUs each, one
    goes on meanwhile.

    Args:
        plan: What one engine would get.
        shares_workers: Whether engines with several threads have to share their CPUs, see
            :class:`~yolo_edge.engines.base.Engine`.
    """
    every_cpu = plan.engine_cpus == plan.topology.allowed
    if not every_cpu or plan.threads < 2 or (shares_workers and plan.threads > 2):
        return 1
    return 2


def plan_workers(plan: CpuPlan, workers: int, threads: int | None = None) -> list[CpuPlan]:
    """Divides the engine's CPUs among several engines.

    Args:
        plan: What is divided.
        workers: How many engines.
        threads: Threads of one inference; None divides those of the plan too.

    Returns:
        A plan for each engine: parts that do not overlap, whose sizes differ by one at most.

    Raises:
        ValueError: No engine, or more engines than CPUs: two on one CPU would only take turns.
    """
    if isinstance(workers, bool) or workers < 1:
        raise ValueError(f"workers is {workers!r}; it must be a whole number of at least 1")
    cpus = list(plan.engine_cpus)
    if workers > len(cpus):
        raise ValueError(
            f"{workers} workers on {len(cpus)} CPUs ({plan.engine_cpus}): each needs a CPU of its own; "
            f"give at most {len(cpus)}"
        )
    plans = []
    for number in range(workers):
        part = cpus[_share(len(cpus), number, workers)]
        share = range(plan.threads)[_share(plan.threads, number, workers)]
        count = threads if threads is not None else max(1, len(share))
        plans.append(replace(plan, engine_cpus=CpuSet(part), threads=count))
    return plans


def _share(total: int, number: int, workers: int) -> slice:
    """Which of so many things a worker gets."""
    return slice(total * number // workers, total * (number + 1) // workers)
