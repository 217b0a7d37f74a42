"""The engines that run a bundle's targets, by name.

To add one: a file here with an :class:`~yolo_edge.engines.base.Engine`, and its line in ``_ENGINES``.
"""

from __future__ import annotations

import importlib
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from yolo_edge.bundle import Bundle, Target
from yolo_edge.errors import BundleError, MissingExtraError

if TYPE_CHECKING:
    from yolo_edge.engines.base import Engine, EngineOptions

__all__ = ["create_engine", "engine_class", "engine_names", "select_target"]

# A name here, not an import: looking at one engine must not load the others.
_ENGINES: Mapping[str, str] = {
    "ncnn": "yolo_edge.engines.ncnn:NcnnEngine",
    "onnxruntime": "yolo_edge.engines.onnxruntime:OnnxRuntimeEngine",
}


def engine_names() -> list[str]:
    """The engines this version knows, the one that is usually fastest on this machine first."""
    # Measured on convolution networks of this family: benchmarks/ and DESIGN's install sizes.
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    preferred = "onnxruntime" if x86 else "ncnn"
    return sorted(_ENGINES, key=lambda name: (name != preferred, name))


def engine_class(name: str) -> type[Engine]:
    """The class behind a name; importing it does not import the engine's package.

    Raises:
        ValueError: No such engine; the message lists the known ones and whether each is installed.
    """
    try:
        module, attribute = _ENGINES[name].split(":")
    except KeyError:
        known = ", ".join(f"{known} ({_installed(known)})" for known in sorted(_ENGINES))
        raise ValueError(f"unknown engine {name!r}; known engines: {known}") from None
    found: type[Engine] = getattr(importlib.import_module(module), attribute)
    return found


def create_engine(target: Target, files: Mapping[str, Path], options: EngineOptions) -> Engine:
    """Loads a target's files in its engine."""
    return engine_class(target.engine)(target, files, options)


def select_target(bundle: Bundle, engine: str) -> Target:
    """The bundle's target for an engine; ``auto`` takes the usually fastest that is installed.

    Raises:
        ValueError: Unknown engine.
        BundleError: The bundle has no target for it.
        MissingExtraError: ``auto``, and no engine of the bundle's targets is installed.
    """
    held = {target.engine: target for target in reversed(bundle.targets)}
    if engine != "auto":
        engine_class(engine)
        if engine in held:
            return held[engine]
        raise BundleError(
            f"{bundle.title} has no target for engine {engine!r}; it has: {', '.join(sorted(held))} "
            "(yolo-export --to adds one)"
        )
    usable = [name for name in engine_names() if name in held]
    for name in usable:
        if engine_class(name).version() is not None:
            return held[name]
    if not usable:
        raise BundleError(
            f"{bundle.title} has targets for {', '.join(sorted(held))}; this version runs "
            f"{', '.join(sorted(_ENGINES))}"
        )
    commands = " or ".join(engine_class(name).install for name in usable)
    raise MissingExtraError(
        f"no engine for {bundle.title} is installed; it has targets for {', '.join(usable)}: {commands}"
    )


def _installed(name: str) -> str:
    version = engine_class(name).version()
    return f"{version} installed" if version else "not installed"
