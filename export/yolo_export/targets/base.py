"""What every export target is, and the registry of targets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, ClassVar

from yolo_edge.engines import engine_class
from yolo_edge.options import INT8_PRECISIONS
from yolo_export.targets.intermediate import Intermediate

if TYPE_CHECKING:
    from yolo_export.quantize import Calibration
    from yolo_export.source import Source

__all__ = [
    "Quantization",
    "Target",
    "TargetResult",
    "create_target",
    "file_name",
    "register_target",
    "target_names",
]

_targets: dict[str, type[Target]] = {}


@dataclass(frozen=True)
class TargetResult:
    """What a conversion made.

    Attributes:
        entry: The target's entry in ``bundle.json``, without ``sha256``.
        versions: Versions of the tools that took part, by package name.
    """

    entry: dict[str, Any]
    versions: dict[str, str]


@dataclass(frozen=True)
class Quantization:
    """How integer weights are made."""

    calibration: Calibration
    """Images that the ranges of the maps are measured on."""
    method: str
    """How a range follows from them, one of `yolo_export.quantize.METHODS`."""
    keep_float: tuple[str, ...] = ()
    """Convolutions that stay in float, by name."""


class Target(ABC):
    """Converts models for one engine. The base owns the arguments; a target implements `_convert`."""

    #: Name in ``bundle.json``.
    engine: ClassVar[str]
    #: The form of the graph that the engine runs fastest, one of `yolo_export.onnx_lower.FORMS`.
    form: ClassVar[str] = "plain"
    #: Number types of weights that it can write.
    weights: ClassVar[tuple[str, ...]] = ("fp32", "fp16")

    def convert(
        self,
        source: Source,
        folder: Path,
        *,
        size_hw: tuple[int, int],
        weights: str = "fp32",
        quantization: Quantization | None = None,
        opset: int | None = None,
        progress: Callable[[str], None] = lambda _: None,
        intermediate: Intermediate | None = None,
    ) -> TargetResult:
        """Write the target's files.

        The files take one image at a time, of any height and width that are multiples of the largest stride
        unless the source takes only one size.

        Args:
            source: What to convert.
            folder: Existing folder that the files are written into.
            size_hw: Height and width in px that the user asked for.
            weights: Number type that weights are stored in, one of `weights`. ``fp16`` halves the files and
                ``int8-weights`` quarters them; the arithmetic stays what the engine is told to use.
            quantization: How ``int8`` is made; None for other weights.
            opset: ONNX operator set; None for `DEFAULT_OPSET`.
            progress: Gets a short line before each long step.
            intermediate: The ONNX form of the same source, if another target has made it already.

        Raises:
            ValueError: A size, weights or operator set that are not possible.
            MissingExtraError: A package of the extra ``export`` is not installed.
            ConversionError: A converter failed.
        """
        self.check_weights(weights)
        if (weights == "int8") != (quantization is not None):
            raise ValueError("int8 weights, and no others, need calibration images")
        stride = max(source.strides)
        if len(size_hw) != 2 or any(side < stride or side % stride for side in size_hw):
            raise ValueError(f"size (height, width) is {tuple(size_hw)}; both must be multiples of {stride}")
        if intermediate is None:
            intermediate = source.intermediate(opset)
        elif not intermediate.fits(source, opset):
            raise ValueError("the intermediate was made from another model or for another operator set")
        intermediate = intermediate.in_form(self.form)
        if quantization is not None:
            return self._quantize(intermediate, folder, quantization, progress)
        return self._convert(intermediate, folder, weights, progress)

    def check_weights(self, weights: str) -> None:
        """Refuse what the target cannot write.

        Raises:
            ValueError: It names what it can.
        """
        if weights not in self.weights:
            raise ValueError(
                f"the target for {self.engine} cannot store {weights!r}; it stores: {', '.join(self.weights)}"
            )

    @abstractmethod
    def _convert(
        self, intermediate: Intermediate, folder: Path, weights: str, progress: Callable[[str], None]
    ) -> TargetResult:
        """Write the files and describe them."""

    def _quantize(
        self, intermediate: Intermediate, folder: Path, how: Quantization, progress: Callable[[str], None]
    ) -> TargetResult:
        """The same with int8 weights; of targets whose `weights` say so."""
        raise NotImplementedError(f"{type(self).__name__} says that it stores int8, and does not")

    def _entry(
        self,
        intermediate: Intermediate,
        files: dict[str, str],
        weights: str,
        input_name: str,
        input_layout: str,
        outputs: list[str],
    ) -> dict[str, Any]:
        """An entry with raw heads in float32.

        Args:
            intermediate: What the files were made from.
            weights: Number type of the stored weights.
            files: File name by role.
            input_name: Name of the input in the file.
            input_layout: ``nchw`` or ``chw``.
            outputs: Name of each head in the file, in the order of the source.
        """
        fixed_hw = intermediate.fixed_hw
        return {
            "engine": self.engine,
            "weights": weights,
            "compute": [weights]
            if weights in INT8_PRECISIONS
            else list(engine_class(self.engine).open_compute),
            "files": files,
            "input": {
                "name": input_name,
                "dtype": "float32",
                "layout": input_layout,
                "shapes": [list(fixed_hw)] if fixed_hw else "dynamic",
            },
            "outputs": [
                {"name": name, "head": head, "layout": "c,h,w", "activation": "none", "dtype": "float32"}
                for head, name in enumerate(outputs)
            ],
        }


def file_name(name: str, weights: str) -> str:
    """The name of a target's file: that of float32 weights, or with the weights before its ending.

    Example:
        >>> file_name("model.ncnn.param", "fp32"), file_name("model.ncnn.param", "fp16")
        ('model.ncnn.param', 'model.ncnn.fp16.param')
    """
    stem, dot, suffix = name.rpartition(".")
    return name if weights == "fp32" else f"{stem}.{weights}{dot}{suffix}"


def register_target(name: str) -> Callable[[type[Target]], type[Target]]:
    """Register a target under the name that ``--to`` takes."""

    def register(kind: type[Target]) -> type[Target]:
        _targets[name] = kind
        return kind

    return register


def target_names() -> list[str]:
    """Sorted names of the targets."""
    return sorted(_targets)


def create_target(name: str) -> Target:
    """Make a target by name.

    Raises:
        ValueError: The name is unknown.

    Example:
        >>> create_target("onnx").engine
        'onnxruntime'
    """
    if name not in _targets:
        raise ValueError(f"unknown target {name!r}; known targets: {', '.join(target_names())}")
    return _targets[name]()
