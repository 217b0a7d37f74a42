"""Reads a trained checkpoint without its training repository and without running anything that is in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from yolo_edge.bundle import ModelInput
from yolo_edge.options import PAD_VALUE
from yolo_export.checkpoint.allowlist import ENSEMBLE, OTHER_TASKS, WRAPPERS
from yolo_export.checkpoint.assemble import Assembly
from yolo_export.checkpoint.facts import Anchors, Fact, head_facts, read_names, trained_size, training_facts
from yolo_export.checkpoint.formats import open_archive
from yolo_export.checkpoint.placing import Placed, load_placed, not_finite
from yolo_export.checkpoint.probe import head_shapes
from yolo_export.checkpoint.records import Instance, TensorRef, clip
from yolo_export.checkpoint.state_dict import find_state_dict, fit_state_dict
from yolo_export.checkpoint.trained import is_trained, stated_heads, trained_record
from yolo_export.checkpoint.weights import Weights
from yolo_export.errors import CheckpointError
from yolo_export.models import Network
from yolo_export.source import FloatArray, SizeHW

if TYPE_CHECKING:
    from yolo_export.targets import Intermediate

__all__ = ["Checkpoint", "read_checkpoint"]

_MAX_WRAPPERS = 4
_WEIGHTS_ADVICE = (
    "give the file that training saved (best.pt), or name the YAML file of the network as well (--cfg)"
)
#: Longest message; the list of known blocks takes most of it.
_MAX_MESSAGE = 6000


@dataclass(frozen=True)
class Checkpoint:
    """A trained detection network and what is known about it.

    Lists of heads are in the order of the checkpoint.

    Attributes:
        path: The file.
        sha256: Its SHA-256, in hexadecimal.
        network: The network: float32, in evaluation mode; see `Network.forward`.
        names: Class names.
        strides: Stride of each head in px.
        anchors_px: Width and height in px of the anchors of each head.
        family: ``yolov5`` or ``yolov5-lite``; for information only.
        parameters: Number of trained parameters.
        training: Plain facts about the training, such as ``epoch`` and ``date``, where the file has them.
        notes: What a user should know about how the file was read, one sentence each.
    """

    path: Path
    sha256: str
    network: Network
    names: list[str]
    strides: list[int]
    anchors_px: list[Anchors]
    family: str
    parameters: int
    training: dict[str, Fact] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    kind: ClassVar[str] = "checkpoint"
    fixed_hw: ClassVar[None] = None

    @property
    def size_hw(self) -> SizeHW | None:
        """Network size in px that it was trained at, where it says so and its strides divide it."""
        return trained_size(self.training, self.strides)

    @property
    def provenance(self) -> dict[str, Any]:
        """As `Source` says."""
        return {
            "checkpoint": self.path.name,
            "checkpoint_sha256": self.sha256,
            "training": dict(self.training),
        }

    def model_input(self, size_hw: SizeHW) -> ModelInput:
        """As all training of these families makes tensors of images."""
        scale = 1 / 255
        return ModelInput(
            channels="rgb",
            mean=(0.0, 0.0, 0.0),
            scale=(scale, scale, scale),
            pad_value=PAD_VALUE,
            letterbox="rect",
            size_hw=size_hw,
            stride=max(self.strides),
        )

    def compute_heads(self, tensor: FloatArray) -> tuple[FloatArray, ...]:
        """Raw heads of one image, in float32 PyTorch; see `Source`."""
        with torch.inference_mode():
            heads = tuple(head[0].numpy() for head in self.network(torch.from_numpy(tensor)))
        if not all(np.isfinite(head).all() for head in heads):
            raise CheckpointError(
                f"{self.path}: the network gives values that are not finite; its weights are damaged"
            )
        return heads

    def intermediate(self, opset: int | None) -> Intermediate:
        """As `Source` says."""
        from yolo_export.targets import OnnxIntermediate

        return OnnxIntermediate(self, opset=opset)


def read_checkpoint(path: str | PathLike[str], cfg: str | None = None) -> Checkpoint:
    """Read a YOLOv5 or YOLOv5-Lite checkpoint (``best.pt``).

    Nothing that the file names is imported, instantiated or called. Its pickle is read into plain data, and
    the network is built from this package's own modules.

    Args:
        path: A file that ``torch.save`` wrote: a dict with ``ema`` or ``model``, or the bare model, or one of
            ``yolo-train``. The exponential moving average is preferred, as YOLOv5 itself does. With ``cfg``
            also a state dict, or weights in the safetensors format.
        cfg: For files of weights without a network: name of a shipped network such as ``yolov5s``, or path of
            the YAML file that it was trained with.

    Returns:
        The network and its facts.

    Raises:
        ValueError: There is no network called ``cfg``.
        ConfigError: The YAML file does not describe a network.
        CheckpointError: The file is missing, damaged, unsafe, or not a detection network that is known here.

    Example:
        >>> checkpoint = read_checkpoint("best.pt")  # doctest: +SKIP
        >>> checkpoint.strides, len(checkpoint.names)  # doctest: +SKIP
        ([8, 16, 32], 80)
    """
    path = Path(fspath(path))
    try:
        with open_archive(path) as archive:
            content = archive.content()
            weights = Weights(archive)
            facts = _read_weights(content, cfg, weights) if cfg else _read_network(content, weights)
            return Checkpoint(path=path, sha256=archive.sha256, **facts)
    except CheckpointError as error:
        message = " ".join(str(error)[:_MAX_MESSAGE].split("\n"))
        raise CheckpointError(f"{path}: {message}") from error


def _read_network(content: Any, weights: Weights) -> dict[str, Any]:
    """Attributes of a `Checkpoint` from a file that describes its network."""
    anchors = None
    if is_trained(content):
        record, outer = trained_record(content), content
        strides, anchors = stated_heads(content)
    else:
        record, outer = _find_network(content)
    assembly = Assembly(record)
    names = record.state.get("names", outer.get("names"))
    family = "yolov5-lite" if "yolov5-lite" in assembly.families else "yolov5"
    detect = assembly.records[-1]
    facts = _finish(assembly.network, assembly.tensors, detect, names, outer, family, weights, anchors)
    if anchors is not None:
        if strides != facts["strides"]:
            raise CheckpointError(
                f"says that its strides are {strides}, but its network has {facts['strides']}"
            )
        counts, wanted = [len(head) for head in anchors], assembly.network.detect.na
        if set(counts) != {wanted}:
            raise CheckpointError(f"has {counts} anchors for its heads, which need {wanted} each")
    return facts


def _read_weights(content: Any, cfg: str, weights: Weights) -> dict[str, Any]:
    """Attributes of a `Checkpoint` from a file of weights and the YAML file of its network."""
    tensors = find_state_dict(content)
    if tensors is None:
        _find_network(content)
        raise CheckpointError(f"holds its network; read it without the YAML file {cfg}")
    built, placed, detect = fit_state_dict(tensors, cfg)
    outer = content if type(content) is dict else {}
    names = outer.get("names")
    if type(names) not in (list, tuple, dict):
        names = built.names
    return _finish(built.network, placed, detect, names, outer, built.family, weights, built.anchors_px)


def _finish(
    network: Network,
    tensors: list[Placed],
    detect: Instance,
    names: Any,
    outer: dict[Any, Any],
    family: str,
    weights: Weights,
    anchors_given: list[Anchors] | None,
) -> dict[str, Any]:
    """What all kinds of file have in common: heads, names, numbers."""
    shapes = head_shapes(network)
    classes = _check_widths([channels for channels, _ in shapes], network)
    heads = head_facts(network, detect, [stride for _, stride in shapes], weights, anchors_given)
    class_names, notes = read_names(names, classes)
    load_placed(network, tensors, weights)
    broken = not_finite(tensors)
    if broken:
        notes.append(f"{len(broken)} tensors hold NaN or infinity, the first is {broken[0]}")
    return {
        "network": network.eval(),
        "names": class_names,
        "strides": heads.strides,
        "anchors_px": heads.anchors_px,
        "family": family,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "training": training_facts(outer),
        "notes": heads.notes + notes,
    }


def _find_network(content: Any) -> tuple[Instance, dict[Any, Any]]:
    """The record of the network, and the dict around it."""
    if isinstance(content, Instance):
        return _unwrapped(content), {}
    if type(content) is dict and not {"ema", "model"} & content.keys() and find_state_dict(content):
        raise CheckpointError(f"has weights without a network; {_WEIGHTS_ADVICE}")
    if isinstance(content, TensorRef):
        raise CheckpointError("holds a single tensor; expected a dict with 'model' or a model")
    if type(content) is not dict:
        raise CheckpointError(f"holds a {type(content).__name__}; expected a dict with 'model' or a model")
    for key in ("ema", "model"):
        found = content.get(key)
        if type(found) is tuple and found:  # Some releases kept the average with its number of updates.
            found = found[0]
        if isinstance(found, Instance):
            return _unwrapped(found), content
        if found is not None:
            raise CheckpointError(
                f"has weights without a network (a {type(found).__name__} under {key!r}); {_WEIGHTS_ADVICE}"
            )
    if content and all(isinstance(value, TensorRef) for value in content.values()):
        raise CheckpointError(
            f"has {len(content)} tensors without a network, the first is {clip(next(iter(content)))}; their "
            f"names are not those of YOLOv5; {_WEIGHTS_ADVICE}"
        )
    keys = ", ".join(sorted(f"'{clip(key, 40)}'" for key in content)[:12])
    raise CheckpointError(f"has neither 'ema' nor 'model'; it has: {keys or 'nothing'}")


def _unwrapped(record: Instance) -> Instance:
    """The network itself, without wrappers: of training on several devices, or an ensemble of one."""
    for _ in range(_MAX_WRAPPERS):
        if record.class_path in OTHER_TASKS or type(record.state) is not dict:
            raise CheckpointError("has a network without a state")
        if record.class_path not in (*WRAPPERS, ENSEMBLE):
            return record
        children = record.state.get("_modules")
        children = children if type(children) is dict else {}
        if record.class_path == ENSEMBLE and len(children) > 1:
            raise CheckpointError(
                f"holds an ensemble of {len(children)} networks; export the checkpoint of one of them"
            )
        inner = children.get("0" if record.class_path == ENSEMBLE else "module")
        if not isinstance(inner, Instance):
            raise CheckpointError(f"has a {record.class_path} without a network in it")
        record = inner
    raise CheckpointError(f"has a network in more than {_MAX_WRAPPERS} wrappers")


def _check_widths(widths: list[int], network: Network) -> int:
    """The number of classes, if the widths of the heads agree with it."""
    detect = network.detect
    expected = detect.na * (detect.nc + 5)
    if not widths or any(width != expected for width in widths):
        raise CheckpointError(
            f"has heads of {widths} channels; "
            f"{detect.na} anchors of {detect.nc} classes and 5 numbers need {expected}"
        )
    return detect.nc
