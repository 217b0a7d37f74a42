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
from yolo_edge.engines.selection import EngineOffer, choose_compute, choose_target

if TYPE_CHECKING:
    from yolo_edge.engines.base import Engine, EngineOptions

__all__ = [
    "choose_precision",
    "create_engine",
    "engine_class",
    "engine_names",
    "installed_version",
    "native_version",
    "select_target",
]

# A name here, not an import: looking at one engine must not load the others.
_ENGINES: Mapping[str, str] = {
    "mnn": "yolo_edge.engines.mnn:MnnEngine",
    "ncnn": "yolo_edge.engines.ncnn:NcnnEngine",
    "onnxruntime": "yolo_edge.engines.onnxruntime:OnnxRuntimeEngine",
    "openvino": "yolo_edge.engines.openvino:OpenVinoEngine",
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


def native_version(name: str) -> str | None:
    """The version of an engine that is compiled into the core, or None."""
    from yolo_edge import _core

    return _core.native_engines.get(name)


def installed_version(name: str) -> str | None:
    """The version of an engine that can run here, compiled in or as a package, or None."""
    return native_version(name) or engine_class(name).version()


def choose_precision(target: Target, wanted: str) -> str:
    """The arithmetic that ``wanted`` means for a target on this machine; the rule of the C++ runtime.

    ``fp32`` is float32 everywhere, whatever the CPU offers. ``fp16-storage`` keeps weights and blobs in half
    precision and computes in float32, ``fp16`` computes in half precision too, ``bf16`` stores bfloat16,
    ``int8`` runs a target with int8 weights, ``int8-weights`` computes in float32 from weights of 8 bits.
    ``auto`` is fp16-storage where the engine has it, the CPU has half-precision arithmetic and the target
    allows it, else fp32: half-precision arithmetic moves scores by up to 0.3, so nobody gets it unasked, and
    nobody gets 8-bit weights unasked.

    Raises:
        ValueError: An unknown name, or one that the engine does not have.
        BundleError: One in which the target was not verified.
    """
    from yolo_edge import _core

    modes = engine_class(target.engine).compute_modes
    return choose_compute(target, modes, wanted, half=_core.has_half_precision_arithmetic())


def create_engine(target: Target, files: Mapping[str, Path], options: EngineOptions) -> Engine:
    """Loads a target's files in its engine."""
    return engine_class(target.engine)(target, files, options)


def select_target(bundle: Bundle, engine: str, precision: str = "auto") -> Target:
    """The bundle's target for an engine and a precision, see :func:`choose_precision`.

    Engine ``auto`` takes the usually fastest that is installed and can do what is wanted. Of an engine's
    targets, ``fp32`` takes one with float32 weights before one with half-precision weights,
    ``fp16-storage`` and ``fp16`` the other way round, ``int8`` and ``int8-weights`` only their own, which
    ``auto`` never takes.

    Raises:
        ValueError: Unknown engine or precision, or one that the engine does not have.
        BundleError: The bundle has no such target.
        MissingExtraError: ``auto``, and no engine of the bundle's targets is installed.
    """
    from yolo_edge import _core

    if engine != "auto":
        engine_class(engine)
    held = {target.engine for target in bundle.targets}
    # Looking at one engine must not load the others.
    offers = [
        _offer(name) if name in held and engine in ("auto", name) else EngineOffer(name, ())
        for name in engine_names()
    ]
    half = _core.has_half_precision_arithmetic()
    return choose_target(bundle, engine, precision, offers, half=half).target


def _offer(name: str) -> EngineOffer:
    kind = engine_class(name)
    return EngineOffer(name, kind.compute_modes, "" if installed_version(name) else kind.install)


def _installed(name: str) -> str:
    version = installed_version(name)
    return f"{version} installed" if version else "not installed"
