"""What training starts from: random numbers, a checkpoint, or a checkpoint's numbers in another network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from yolo_export.checkpoint import Checkpoint, read_checkpoint
from yolo_export.errors import CheckpointError
from yolo_export.models import Conv, Network, RepVGGBlock
from yolo_export.models.repvgg import Absent
from yolo_export.untrained import describe_config
from yolo_train.initial import BATCH_NORM_MOMENTUM, reset_heads, reset_network

__all__ = ["LeftOut", "Start", "prepare", "starting_network"]

_SHOWN = 5


@dataclass(frozen=True)
class LeftOut:
    """A tensor of the network that the checkpoint gave no numbers, and why."""

    name: str
    why: str


@dataclass(frozen=True)
class Start:
    """A network to train.

    Attributes:
        network: float32; every parameter can be trained.
        strides: Of each head in px.
        anchors_px: Width and height in px of the anchors of each head.
        architecture: What to call the network.
        imgsz: Side in px that its checkpoint was trained at, where it says so.
        taken: Tensors that the checkpoint gave.
        left_out: Those it did not.
        notes: What a user should know, one sentence each.
    """

    network: Network
    strides: list[int]
    anchors_px: list[list[tuple[float, float]]]
    architecture: str
    imgsz: int | None = None
    taken: int = 0
    left_out: tuple[LeftOut, ...] = ()
    notes: list[str] = field(default_factory=list)

    def report(self) -> list[str]:
        """What was taken and what was not, in lines."""
        if not self.taken and not self.left_out:
            return [f"{self.architecture}: random weights", *self.notes]
        lines = [f"{self.architecture}: {self.taken} tensors taken, {len(self.left_out)} not"]
        lines += [f"  {each.name}: {each.why}" for each in self.left_out[:_SHOWN]]
        if len(self.left_out) > _SHOWN:
            lines.append(f"  and {len(self.left_out) - _SHOWN} more")
        return lines + self.notes


def starting_network(weights: Path | None, cfg: str | None, names: Sequence[str], seed: int) -> Start:
    """Makes the network that training starts from.

    Args:
        weights: A checkpoint; without ``cfg`` it also gives the architecture.
        cfg: Name of a shipped network, or path of a YAML file. Without ``weights`` all numbers are random.
        names: The classes to train. The heads start anew where the checkpoint has others.
        seed: Of the random numbers.

    Raises:
        ValueError: Neither is given, or there is no network ``cfg``.
        ConfigError: The YAML file does not describe a network.
        CheckpointError: The checkpoint cannot be read.
    """
    if weights is None and cfg is None:
        raise ValueError("give --weights CHECKPOINT, --cfg NAME (random weights), or both")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        start = _random(str(cfg), len(names)) if weights is None else _from_checkpoint(weights, cfg, names)
    prepare(start.network)
    return start


def prepare(network: Network) -> None:
    """Makes a network that was read for export one that can be trained; what it computes stays."""
    network.requires_grad_(True)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = BATCH_NORM_MOMENTUM


def _random(cfg: str, classes: int) -> Start:
    label, made = describe_config(cfg, classes=classes)
    network = made.network.to_empty(device="cpu")
    reset_network(network, made.strides)
    return Start(network, made.strides, made.anchors_px, label, notes=list(made.notes))


def _from_checkpoint(weights: Path, cfg: str | None, names: Sequence[str]) -> Start:
    checkpoint = _read(weights, cfg)
    notes = [*checkpoint.notes, *_fused_notes(checkpoint.network)]
    differ = _why_heads_differ(checkpoint.names, names)
    imgsz = checkpoint.size_hw[0] if checkpoint.size_hw else None
    if cfg is None:
        network = checkpoint.network
        fresh = reset_heads(network, checkpoint.strides, len(names)) if differ else []
        left_out = tuple(LeftOut(_shown(name), f"starts anew: {differ}") for name in fresh)
        taken = len(_tensors(network)) - len(left_out)
        label, strides, anchors = weights.name, checkpoint.strides, checkpoint.anchors_px
    else:
        made = _random(cfg, len(names))
        network, strides, anchors = made.network, made.strides, made.anchors_px
        left_out = _copy(checkpoint.network, network, differ)
        taken = len(_tensors(network)) - len(left_out)
        label = f"{made.architecture} from {weights.name}"
        if not taken:
            raise CheckpointError(f"{weights}: not one of its tensors fits the network {cfg}")
        if strides == checkpoint.strides and len(anchors[0]) == len(checkpoint.anchors_px[0]):
            anchors = checkpoint.anchors_px
    return Start(network, strides, anchors, label, imgsz, taken, left_out, notes)


def _read(weights: Path, cfg: str | None) -> Checkpoint:
    if cfg is None:
        return read_checkpoint(weights)
    try:
        return read_checkpoint(weights)
    except CheckpointError as without:
        try:
            return read_checkpoint(weights, cfg=cfg)  # a state dict, which needs the network's YAML file
        except CheckpointError as error:
            raise error from without


def _why_heads_differ(old: Sequence[str], new: Sequence[str]) -> str:
    """Why the heads of a checkpoint cannot be taken; empty if they can."""
    if len(old) != len(new):
        return f"the checkpoint has {len(old)} classes, the dataset {len(new)}"
    unnamed = list(old) == [f"class{index}" for index in range(len(old))]
    if not unnamed and [name.casefold() for name in old] != [name.casefold() for name in new]:
        return "the checkpoint's classes have other names"
    return ""


def _copy(source: Network, target: Network, differ: str) -> tuple[LeftOut, ...]:
    """Copies the tensors that match by name and size; the others keep their random numbers."""
    found = source.state_dict()
    heads = _head_tensors(target) if differ else set()
    left_out = []
    with torch.no_grad():
        for name, own in _tensors(target).items():
            theirs = found.get(name)
            if name in heads:
                left_out.append(LeftOut(_shown(name), f"starts anew: {differ}"))
            elif theirs is None:
                left_out.append(LeftOut(_shown(name), "the checkpoint has none of that name"))
            elif theirs.shape != own.shape:
                sizes = f"{tuple(theirs.shape)}, the network needs {tuple(own.shape)}"
                left_out.append(LeftOut(_shown(name), f"the checkpoint's is {sizes}"))
            else:
                own.copy_(theirs)
    return tuple(left_out)


def _tensors(network: Network) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = network.state_dict()
    return {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}


def _head_tensors(network: Network) -> set[str]:
    heads = {id(modules[index]) for modules, index in network.head_places()}
    return {
        f"{path}.{name}"
        for path, module in network.named_modules()
        if id(module) in heads
        for name in module._parameters
    }


def _fused_notes(network: Network) -> list[str]:
    fused = sum(
        1 for each in network.modules() if isinstance(each, Conv) and isinstance(each.bn, nn.Identity)
    )
    folded = sum(
        1
        for each in network.modules()
        if isinstance(each, RepVGGBlock) and not isinstance(each.rbr_reparam, Absent)
    )
    what = [
        text
        for count, text in (
            (fused, f"{fused} convolutions have no batch norm left"),
            (folded, f"{folded} RepVGG blocks have one branch left"),
        )
        if count
    ]
    if not what:
        return []
    return [f"{' and '.join(what)}: the file was saved for inference and trains worse than one of training"]


def _shown(name: str) -> str:
    """As YOLOv5's state dicts call it."""
    return name.replace("layers.", "model.", 1)
