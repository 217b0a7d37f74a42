"""The errors of the export wing that stand for a bad world; a bad argument is a plain ``ValueError``."""

from __future__ import annotations

from yolo_edge.errors import MissingExtraError

__all__ = [
    "CheckpointError",
    "ConfigError",
    "ConversionError",
    "ExportError",
    "GateError",
    "MissingExtraError",
]


class CheckpointError(RuntimeError):
    """A checkpoint cannot be read: it is damaged, unsafe, or holds something this version does not know."""


class ConfigError(RuntimeError):
    """A YAML file does not describe a network that can be built."""


class ConversionError(RuntimeError):
    """A converter failed, or what it wrote cannot run in the engine it is meant for."""


class ExportError(RuntimeError):
    """A bundle cannot be written, or what was exported does not compute what the checkpoint does."""


class GateError(ExportError):
    """A precision loses more than is allowed, gains no time, or cannot be judged."""
