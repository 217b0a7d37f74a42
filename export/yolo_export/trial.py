"""One target made again and again, with other layers in float each time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from yolo_edge.bundle import Bundle, ModelInput, parse_bundle, sha256_of
from yolo_export.manifest import make_manifest
from yolo_export.source import Source
from yolo_export.targets import Intermediate, Quantization, Target

__all__ = ["Trial"]


class Trial:
    """Makes bundles of one target, which live until the next is made.

    Args:
        converter: The target.
        source: What is converted.
        model_input: How images become tensors.
        intermediate: Of the source.
        opset: ONNX operator set of the intermediate; None for the default.
        folder: Existing folder that the files are written into.
    """

    def __init__(
        self,
        converter: Target,
        source: Source,
        model_input: ModelInput,
        intermediate: Intermediate,
        opset: int | None,
        folder: Path,
    ) -> None:
        self._converter = converter
        self._source = source
        self._model_input = model_input
        self._intermediate = intermediate
        self._opset = opset
        self._folder = folder

    @property
    def model(self) -> bytes:
        """The ONNX file that is quantised."""
        return self._intermediate.in_form(self._converter.form).model()

    def exact(self, progress: Callable[[str], None] = lambda _: None) -> Bundle:
        """With float32 weights; this one lives on."""
        return self._make("fp32", None, progress)

    def quantized(
        self, how: Quantization, keep_float: tuple[str, ...], progress: Callable[[str], None] = lambda _: None
    ) -> Bundle:
        """With int8 weights.

        Args:
            how: How they are made.
            keep_float: Convolutions that stay in float instead of those that ``how`` names.
            progress: Gets a short line before each long step.
        """
        return self._make("int8", replace(how, keep_float=keep_float), progress)

    def _make(self, weights: str, how: Quantization | None, progress: Callable[[str], None]) -> Bundle:
        result = self._converter.convert(
            self._source,
            self._folder,
            size_hw=self._model_input.size_hw,
            weights=weights,
            quantization=how,
            opset=self._opset,
            progress=progress,
            intermediate=self._intermediate,
        )
        hashes = {name: sha256_of(self._folder / name) for name in result.entry["files"].values()}
        manifest = make_manifest(self._source, self._model_input, result.versions)
        return parse_bundle({**manifest, "targets": [{**result.entry, "sha256": hashes}]}, self._folder)
