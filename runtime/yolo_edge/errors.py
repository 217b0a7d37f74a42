"""What can be wrong with the world; a bad argument is a ValueError."""

from __future__ import annotations


class BundleError(RuntimeError):
    """A bundle that cannot be used: missing, damaged, from a newer version, or without a target to run."""


class EngineError(RuntimeError):
    """An engine that failed to load or to run a model."""


class MissingExtraError(RuntimeError):
    """A Python package that this request needs is not installed; the message holds the install command."""


class ProfileError(RuntimeError):
    """A stored result of ``tune`` that cannot be read, or a new one that cannot be written."""


class SourceError(RuntimeError):
    """A source of images that cannot be opened or read."""


class DatasetError(SourceError):
    """A dataset that cannot be read, or has faults; the message lists them."""


class SinkError(RuntimeError):
    """An output that cannot be written."""
