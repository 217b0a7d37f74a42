"""Which of a bundle's targets runs, and in which arithmetic.

A target's *weights* are what its files store, its *compute* is the arithmetic that it may run in. The rule is
that of cpp/runtime/src/precision.cpp; tests/data/precision_cases.json tests both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from yolo_edge.bundle import Bundle, Target
from yolo_edge.errors import BundleError, MissingExtraError
from yolo_edge.options import INT8_PRECISIONS, PRECISIONS

__all__ = ["EngineOffer", "Selection", "choose_compute", "choose_target"]

_WEIGHTS: Mapping[str, tuple[str, ...]] = {
    "fp32": ("fp32", "fp16"),
    "fp16-storage": ("fp16", "fp32"),
    "fp16": ("fp16", "fp32"),
    "bf16": ("fp32", "fp16"),
    "int8": ("int8",),
    "int8-weights": ("int8-weights",),
}
"""By arithmetic, the weights that may run in it, the preferred ones first. Half-precision weights lose
nothing where they are used as such; where float32 is asked for they come second, for they were rounded."""


@dataclass(frozen=True)
class EngineOffer:
    """An engine that this version knows."""

    name: str
    modes: tuple[str, ...]
    """Kinds of arithmetic it has."""
    install: str = ""
    """Command that installs it; empty where it is installed."""


@dataclass(frozen=True)
class Selection:
    """What runs."""

    target: Target
    compute: str


def choose_compute(target: Target, modes: Sequence[str], wanted: str, *, half: bool) -> str:
    """The arithmetic that ``wanted`` means for a target.

    Args:
        target: What would run.
        modes: Kinds of arithmetic that its engine has.
        wanted: One of ``PRECISIONS``.
        half: Whether the CPU has half-precision arithmetic.

    Raises:
        ValueError: An unknown name, or one that the engine does not have.
        BundleError: One in which the target was not verified.
    """
    _check_wanted(target.engine, modes, wanted)
    selection = _select([target], modes, wanted, half)
    if selection is None:
        raise BundleError(
            f"the bundle's target for engine {target.engine!r} has {_described(target)}, so it does not run "
            f"in precision {wanted!r}"
        )
    return selection.compute


def choose_target(
    bundle: Bundle, engine: str, wanted: str, offers: Sequence[EngineOffer], *, half: bool
) -> Selection:
    """The target that runs, and its arithmetic.

    Args:
        bundle: What holds the targets.
        engine: Name of an engine, or ``auto`` for the first of ``offers`` that is installed and can do what
            is wanted.
        wanted: One of ``PRECISIONS``.
        offers: The engines that this version knows, the preferred ones first.
        half: Whether the CPU has half-precision arithmetic.

    Raises:
        ValueError: A precision that is unknown, or that the engine does not have.
        BundleError: The bundle has no such target.
        MissingExtraError: ``auto``, and no engine that could run is installed.
    """
    held = sorted({target.engine for target in bundle.targets})
    if engine != "auto":
        offers = [offer for offer in offers if offer.name == engine]
        if engine not in held:
            raise BundleError(
                f"{bundle.title} has no target for engine {engine!r}; it has: {', '.join(held)} "
                "(yolo-export --to adds one)"
            )
        for offer in offers:
            _check_wanted(engine, offer.modes, wanted)
    elif wanted not in PRECISIONS:
        raise ValueError(_unknown(wanted))
    elif not any(offer.name in held for offer in offers):
        known = ", ".join(sorted(offer.name for offer in offers))
        raise BundleError(f"{bundle.title} has targets for {', '.join(held)}; this version runs {known}")
    missing: list[EngineOffer] = []
    for offer in offers:
        targets = [target for target in bundle.targets if target.engine == offer.name]
        selection = _select(targets, offer.modes, wanted, half)
        if selection is not None and (engine != "auto" or not offer.install):
            return selection
        if selection is not None:
            missing.append(offer)
    if missing:
        raise MissingExtraError(
            f"no engine for {bundle.title} is installed; it has targets for "
            f"{', '.join(offer.name for offer in missing)}: {' or '.join(offer.install for offer in missing)}"
        )
    names = {offer.name for offer in offers}
    targets = [target for target in bundle.targets if target.engine in names]
    had = "; ".join(f"{target.engine} with {_described(target)}" for target in targets)
    where = "" if engine == "auto" else f" for engine {engine!r}"
    int8 = next((target.weights for target in targets if target.weights in INT8_PRECISIONS), "")
    hint = f" (auto never takes {int8}: --precision {int8} asks for it)" if int8 and wanted == "auto" else ""
    raise BundleError(
        f"{bundle.title} has no target{where} that runs in precision {wanted!r}; it has: {had}{hint}"
    )


def _select(targets: Sequence[Target], modes: Sequence[str], wanted: str, half: bool) -> Selection | None:
    """The first of one engine's targets that runs as wanted."""
    # Half-precision arithmetic moves scores by up to 0.3 and int8 may find less: nobody gets them unasked.
    automatic = ("fp16-storage", "fp32") if half else ("fp32",)
    for compute in automatic if wanted == "auto" else (wanted,):
        for weights in _WEIGHTS[compute]:
            for target in targets:
                if target.weights == weights and compute in target.compute and compute in modes:
                    return Selection(target, compute)
    return None


def _check_wanted(engine: str, modes: Sequence[str], wanted: str) -> None:
    if wanted not in PRECISIONS:
        raise ValueError(_unknown(wanted))
    if wanted != "auto" and wanted not in modes:
        raise ValueError(f"engine {engine!r} has no precision {wanted!r}; it has: {', '.join(modes)}")


def _unknown(wanted: str) -> str:
    return f"precision is {wanted!r}; it must be one of {', '.join(PRECISIONS)}"


def _described(target: Target) -> str:
    return f"weights {target.weights}, verified in {', '.join(target.compute)}"
