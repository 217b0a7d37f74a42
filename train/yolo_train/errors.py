"""The errors of the training wing that stand for a bad world; a bad argument is a plain ``ValueError``."""

from __future__ import annotations

__all__ = ["TrainingError"]


class TrainingError(RuntimeError):
    """A training that cannot start, go on or be resumed."""
