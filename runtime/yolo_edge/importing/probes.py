"""Opens a file in its engine and tries it: what goes in, what comes out at which image size."""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from yolo_edge.engines import engine_class
from yolo_edge.engines.onnxruntime import open_session
from yolo_edge.errors import BundleError, MissingExtraError
from yolo_edge.importing.metadata import Metadata, metadata_beside, metadata_of_onnx
from yolo_edge.importing.ncnn_graph import read_ncnn_graph
from yolo_edge.importing.pictures import PROBE_SIZES, fixed_size, probe_tensors
from yolo_edge.importing.trial_process import run_trial
from yolo_edge.packages import require

SizeHW = tuple[int, int]
Outputs = Mapping[str, Sequence[npt.NDArray[np.float32]]]
"""By name, what the network gave for each probe picture; without batch dimension."""


class Probe(ABC):
    """A file that another tool made.

    Attributes:
        files: Its files by role, as bundles name the roles.
        input_name: Name of its input.
        fixed_hw: The only size that it takes, if it says so.
        fixed_reason: Why it takes only one size, if it does; ``fixed_hw`` may be unknown all the same.
        metadata: What it says of itself.
        failure: What the engine said of the last size that it refused.
    """

    engine: ClassVar[str]
    input_layout: ClassVar[str]

    files: dict[str, Path]
    input_name: str
    fixed_hw: SizeHW | None = None
    fixed_reason: str = ""
    metadata: Metadata
    failure: str = ""

    @abstractmethod
    def run(self, sizes: Sequence[SizeHW]) -> dict[SizeHW, Outputs]:
        """Tries sizes; those that the engine refuses are missing from the result."""


def open_probe(path: Path) -> Probe:
    """Opens ``.onnx``, or ``.param`` with its ``.bin`` beside.

    Raises:
        BundleError: Not such a file, or one that cannot be a model of ours.
        MissingExtraError: Its engine is not installed.
    """
    kinds: dict[str, type[OnnxProbe] | type[NcnnProbe]] = {".onnx": OnnxProbe, ".param": NcnnProbe}
    kind = kinds.get(path.suffix.lower())
    if kind is None:
        hint = "; yolo-export makes bundles of checkpoints" if path.suffix == ".pt" else ""
        hint = "; give the .param file beside it" if path.suffix == ".bin" else hint
        raise BundleError(f"{path}: is neither an ONNX (.onnx) nor an ncnn (.param) file{hint}")
    if not path.is_file():
        raise BundleError(f"{path}: no such file")
    if engine_class(kind.engine).version() is None:
        engine = engine_class(kind.engine)
        raise MissingExtraError(
            f"importing {path} needs {engine.package}, which is not installed: {engine.install}"
        )
    return kind(path)


class OnnxProbe(Probe):
    """An ONNX file in onnxruntime."""

    engine = "onnxruntime"
    input_layout = "nchw"

    def __init__(self, path: Path) -> None:
        ort = require("onnxruntime", "importing ONNX files", engine_class(self.engine).install)
        options = ort.SessionOptions()
        options.log_severity_level = 4
        self._failures = self._tried_apart(path)
        try:
            self._session = open_session(ort, path, options)
        except Exception as error:
            raise BundleError(f"{path}: onnxruntime cannot read it: {_one_line(error)}") from None
        self.files = {"model": path}
        self._outputs = [output.name for output in self._session.get_outputs()]
        self.metadata = metadata_of_onnx(self._session.get_modelmeta().custom_metadata_map)
        inputs = self._session.get_inputs()
        faults = []
        if len(inputs) != 1:
            raise BundleError(
                f"{path}: has {len(inputs)} inputs ({', '.join(i.name for i in inputs)}); a detector has one"
            )
        self.input_name = inputs[0].name
        shape = list(inputs[0].shape)
        if inputs[0].type != "tensor(float)":
            found = inputs[0].type[len("tensor(") : -1]
            faults.append(
                f"its input is {found}; only float32 (tensor(float)) can be imported: export it without "
                "--half or --int8"
            )
        if len(shape) != 4:
            faults.append(f"its input has the shape {shape}, not (1, 3, height, width)")
        else:
            if shape[1] != 3 and shape[3] == 3:
                faults.append(f"its input {shape} has the channels last; export it with the channels first")
            elif isinstance(shape[1], int) and shape[1] != 3:
                faults.append(f"its input has {shape[1]} channels; a colour image has 3")
            if isinstance(shape[0], int) and shape[0] > 1:
                faults.append(f"its batch size is {shape[0]}; export it with batch size 1")
            self.fixed_hw = fixed_size(shape)
            if self.fixed_hw:
                self.fixed_reason = "its input has that size"
        if faults:
            raise BundleError(f"{path}: " + "; ".join(faults))

    def run(self, sizes: Sequence[SizeHW]) -> dict[SizeHW, Outputs]:
        """As the base says."""
        results: dict[SizeHW, Outputs] = {}
        for size in sizes:
            if size in self._failures:
                self.failure = self._failures[size]
                continue
            try:
                runs = [
                    self._session.run(self._outputs, {self.input_name: tensor})
                    for tensor in probe_tensors(size)
                ]
            except Exception as error:
                self.failure = _one_line(error)
                continue
            results[size] = {
                name: [_without_batch(run[i]) for run in runs] for i, name in enumerate(self._outputs)
            }
        return results

    @staticmethod
    def _tried_apart(path: Path) -> dict[SizeHW, str]:
        """Sizes at which the file fails in a process with limits, and what onnxruntime says there."""
        with tempfile.TemporaryDirectory() as folder:
            request = {"file": str(path.resolve()), "sizes": [list(size) for size in PROBE_SIZES]}
            try:
                done = run_trial("onnx_trial", request, Path(folder))
            except subprocess.TimeoutExpired as error:
                raise BundleError(f"{path}: onnxruntime did not finish within {error.timeout:g} s") from None
        if done.returncode:
            crash = signal.Signals(-done.returncode).name if done.returncode < 0 else ""
            said = " ".join(done.stderr.split())[-200:]
            raise BundleError(f"{path}: onnxruntime crashed on it ({crash or said})")
        found = json.loads(done.stdout)
        if "error" in found:
            raise BundleError(f"{path}: onnxruntime cannot read it: {_one_line(found['error'])}")
        return {
            (int(height), int(width)): _one_line(said)
            for text, said in found["failures"].items()
            for height, width in [text.split("x")]
        }


class NcnnProbe(Probe):
    """An ncnn file, tried in another process."""

    engine = "ncnn"
    input_layout = "chw"

    def __init__(self, path: Path) -> None:
        graph = read_ncnn_graph(path)
        weights = path.with_suffix(".bin")
        if not weights.is_file():
            raise BundleError(f"{path}: needs its weights beside it: {weights.name} is missing")
        if len(graph.inputs) != 1:
            raise BundleError(
                f"{path}: has {len(graph.inputs)} inputs ({', '.join(graph.inputs)}); a detector has one"
            )
        self.files = {"param": path, "bin": weights}
        self.input_name = graph.inputs[0]
        self.metadata = metadata_beside(path)
        self.fixed_reason = graph.fixed
        if graph.fixed:
            self.fixed_hw = graph.input_hw
        self._outputs = graph.outputs

    def run(self, sizes: Sequence[SizeHW]) -> dict[SizeHW, Outputs]:
        """As the base says.

        Raises:
            BundleError: ncnn refuses the files.
        """
        with tempfile.TemporaryDirectory() as folder:
            request = {
                "files": {role: str(path.resolve()) for role, path in self.files.items()},
                "input": self.input_name,
                "outputs": list(self._outputs),
                "sizes": [list(size) for size in sizes],
                "folder": folder,
            }
            try:
                done = run_trial("ncnn_trial", request, Path(folder))
            except subprocess.TimeoutExpired as error:
                raise BundleError(
                    f"{self.files['param']}: ncnn did not finish within {error.timeout:g} s"
                ) from None
            said = " ".join(line.strip() for line in done.stderr.splitlines()[-2:] if line.strip())
            if done.returncode > 0:
                reason = said or done.stdout.strip() or f"exit code {done.returncode}"
                raise BundleError(f"{self.files['param']}: ncnn cannot load it: {reason}")
            if done.returncode < 0:
                name = signal.Signals(-done.returncode).name
                self.failure = f"ncnn crashed on it ({name})"
            elif done.stdout.strip() or said:
                self.failure = (done.stdout.strip() or said).splitlines()[-1]
            results: dict[SizeHW, Outputs] = {}
            for size in sizes:
                path = Path(folder) / f"{size[0]}x{size[1]}.npz"
                if path.is_file():
                    with np.load(path) as arrays:
                        results[size] = {
                            name: [arrays[f"{picture}_{i}"] for picture in range(2)]
                            for i, name in enumerate(self._outputs)
                        }
            return results


def _without_batch(array: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return array[0] if array.ndim > 2 and array.shape[0] == 1 else array


def _one_line(error: object) -> str:
    text = " ".join(str(error).split())
    return text if len(text) < 300 else text[:300] + "…"
