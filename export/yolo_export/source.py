"""What can be exported: a checkpoint, or a model of which there is only an ONNX file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from yolo_edge.bundle import ModelInput
    from yolo_export.targets.intermediate import Intermediate

__all__ = ["FloatArray", "SizeHW", "Source"]

FloatArray = npt.NDArray[np.float32]
SizeHW = tuple[int, int]


class Source(Protocol):
    """A detection network with raw heads, and what is known about it.

    Lists of heads are in the order of `compute_heads`.
    """

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def kind(self) -> str:
        """What to call it in messages: ``checkpoint`` or ``file``."""

    @property
    def sha256(self) -> str:
        """Of the file, in hexadecimal."""

    @property
    def family(self) -> str:
        """``yolov5`` or ``yolov5-lite``; for information only."""

    @property
    def names(self) -> Sequence[str]:
        """Class names."""

    @property
    def strides(self) -> Sequence[int]:
        """Stride of each head in px."""

    @property
    def anchors_px(self) -> Sequence[Sequence[tuple[float, float]]]:
        """Width and height in px of the anchors of each head."""

    @property
    def notes(self) -> Sequence[str]:
        """What a user should know, one sentence each."""

    @property
    def size_hw(self) -> SizeHW | None:
        """Network size in px that the file names, if it does."""

    @property
    def fixed_hw(self) -> SizeHW | None:
        """The only size that the network takes; None where it takes any."""

    @property
    def provenance(self) -> dict[str, Any]:
        """Where the model comes from, for the bundle; with the hash of the file."""

    def model_input(self, size_hw: SizeHW) -> ModelInput:
        """How images become tensors, with a default network size."""

    def compute_heads(self, tensor: FloatArray) -> tuple[FloatArray, ...]:
        """Raw heads (na*(nc+5), ny, nx) for a tensor (1, 3, H, W): what targets are compared with.

        Raises:
            RuntimeError: The network does not give finite heads.
        """

    def intermediate(self, opset: int | None) -> Intermediate:
        """Its ONNX form, from which targets are made.

        Raises:
            ValueError: The operator set is not possible.
        """
