"""Several bundles, engines and precisions on one dataset: what to run, and what came out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from yolo_edge.bundle import Bundle
from yolo_edge.datasets.dataset import Dataset
from yolo_edge.detector import Detector
from yolo_edge.engines import engine_class, engine_names, installed_version, select_target
from yolo_edge.errors import BundleError, EngineError, MissingExtraError
from yolo_edge.options import PRECISIONS, DetectOptions
from yolo_edge.progress import Progress
from yolo_edge.val.confidence_curves import ConfidenceCurves
from yolo_edge.val.evaluation import EvaluationTimes, evaluate
from yolo_edge.val.figures import Figures
from yolo_edge.val.options import ConfusionThresholds
from yolo_edge.val.report import as_dict

ALL = "all"
"""As an engine or a precision: each that is installed and that the bundle holds."""


@dataclass(frozen=True)
class Configuration:
    """What is asked for."""

    bundle: Bundle
    engine: str
    precision: str

    def __str__(self) -> str:
        precision = "" if self.precision == "auto" else f" {self.precision}"
        return f"{self.bundle.title}, {self.engine}{precision}"


@dataclass(frozen=True)
class Summary:
    """What is kept of an evaluation while others run: not the boxes of every image."""

    figures: Figures
    times: EvaluationTimes
    curves: ConfidenceCurves
    failures: int
    """Images that could not be evaluated."""

    @property
    def engine_ms(self) -> float:
        """Time of the engine for one image."""
        return self.times.inference_s / max(1, self.times.images) * 1e3


@dataclass(frozen=True)
class Outcome:
    """An evaluation of a configuration, or why there is none."""

    configuration: Configuration
    summary: Summary | None
    report: dict[str, Any]
    """As docs/val.md describes it; of one that did not run ``model`` and ``error``."""
    error: Exception | None = None


def require_same_classes(bundles: Sequence[Bundle]) -> None:
    """Refuses to compare models of different classes.

    Raises:
        BundleError: Says which bundles, and the first class that differs.
    """
    first = bundles[0]
    for other in bundles[1:]:
        if other.names == first.names:
            continue
        pairs = zip(first.names, other.names)
        differing = next((i for i, (ours, theirs) in enumerate(pairs) if ours != theirs), None)
        if differing is None:
            detail = f"{len(first.names)} and {len(other.names)} classes"
        else:
            detail = f"class {differing} is {first.names[differing]!r} and {other.names[differing]!r}"
        raise BundleError(
            f"{first.title} and {other.title} have different classes ({detail}); only models of the same "
            "classes in the same order can be compared"
        )


def configurations(
    bundles: Sequence[Bundle], engines: Sequence[str], precisions: Sequence[str]
) -> list[Configuration]:
    """Combines bundles, engines and precisions.

    Names that were given are all combined; ``all`` adds only what a bundle holds and this machine can run; of
    precisions, each with all weights that may run in it.

    Raises:
        ValueError: An unknown name; the message lists the known ones.
    """
    for engine in engines:
        if engine not in ("auto", ALL):
            engine_class(engine)
    for precision in precisions:
        if precision not in (*PRECISIONS, ALL):
            raise ValueError(
                f"precision is {precision!r}; it must be one of {', '.join(PRECISIONS)} or {ALL}"
            )
    found: list[Configuration] = []
    for bundle in bundles:
        for engine in _expanded(engines, _engines(bundle)):
            for precision in precisions:
                if precision == ALL:
                    found += _precisions(bundle, engine)
                else:
                    found.append(Configuration(bundle, engine, precision))
    return [each for number, each in enumerate(found) if each not in found[:number]]


def run_configurations(
    chosen: Sequence[Configuration],
    dataset: Dataset,
    options: DetectOptions,
    confusion: ConfusionThresholds,
    arguments: dict[str, Any],
    progress: Progress,
) -> Iterator[Outcome]:
    """Evaluates one configuration after the other, each loaded when its turn comes and closed after it.

    Args:
        chosen: What to run.
        dataset: With the classes that all bundles have.
        options: Thresholds and limits.
        confusion: Where the confusion matrices are taken.
        arguments: Further arguments of Detector, the same for all.
        progress: Told of every configuration and every image.

    Raises:
        DatasetError: Not one image could be evaluated.
        MissingExtraError: pycocotools or OpenCV is not installed.
    """
    for number, configuration in enumerate(chosen, 1):
        place = f"{number} of {len(chosen)}"
        try:
            detector = Detector(
                configuration.bundle,
                engine=configuration.engine,
                precision=configuration.precision,
                **arguments,
            )
        except (ValueError, BundleError, EngineError, MissingExtraError) as error:
            yield _failed(configuration, error, place, progress)
            continue
        try:
            with detector:
                progress.detail(f"{place}: {detector.describe()}")
                evaluation = evaluate(
                    detector, dataset, options=options, confusion=confusion, progress=progress
                )
                report = as_dict(evaluation, dataset, detector, options)
        except EngineError as error:
            yield _failed(configuration, error, place, progress)
        else:
            failures = len(evaluation.failures)
            summary = Summary(evaluation.figures, evaluation.times, evaluation.curves, failures)
            yield Outcome(configuration, summary, report)
        finally:
            progress.clear()


def _engines(bundle: Bundle) -> list[str]:
    """The bundle's engines that can run here; ``auto`` where there is none, which says why."""
    held = {target.engine for target in bundle.targets}
    return [name for name in engine_names() if name in held and installed_version(name)] or ["auto"]


def _precisions(bundle: Bundle, engine: str) -> list[Configuration]:
    """What an engine can compute a bundle's targets in, each with all weights that may run in it.

    ``auto`` where the engine cannot run, which says why.
    """
    name = engine
    if engine == "auto":
        try:
            name = select_target(bundle, engine).engine
        except (BundleError, MissingExtraError):
            return [Configuration(bundle, engine, "auto")]
    found = []
    for precision in PRECISIONS:
        if precision not in engine_class(name).compute_modes:
            continue
        held = [target for target in bundle.targets if target.engine == name]
        held = [target for target in held if precision in target.compute]
        if held:
            # The one that runs when nobody compares weights comes first.
            first = select_target(bundle, name, precision)
            found.append(Configuration(bundle, engine, precision))
            found += [Configuration(bundle.only(each), engine, precision) for each in held if each != first]
    return found or [Configuration(bundle, engine, "auto")]


def _expanded(given: Sequence[str], every: Sequence[str]) -> list[str]:
    """The names with ``all`` put into words, each once."""
    names = [name for entry in given for name in (every if entry == ALL else [entry])]
    return list(dict.fromkeys(names))


def _failed(configuration: Configuration, error: Exception, place: str, progress: Progress) -> Outcome:
    progress.message(f"{place}: {configuration}: not evaluated: {error}")
    model = {
        "bundle": str(configuration.bundle.path),
        "engine": configuration.engine,
        "precision": configuration.precision,
    }
    return Outcome(configuration, None, {"model": model, "error": str(error)}, error)
