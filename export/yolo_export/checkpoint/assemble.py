"""From the records of a pickle to a network of this package's own modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from yolo_export.checkpoint.placing import IGNORED_TENSORS, Placed
from yolo_export.checkpoint.records import Instance, TensorRef, clip
from yolo_export.errors import CheckpointError
from yolo_export.models import (
    CONTAINERS,
    MAX_MODULES,
    NETWORKS,
    Block,
    Fields,
    Network,
    find_block,
    find_torch_module,
)

__all__ = ["Assembly"]

_MAX_DEPTH = 24


class Assembly:
    """Builds a network first without memory, then, once its structure is proven, with the numbers.

    Only what a block declares is read from its record: hooks, replaced methods and anything else that a state
    may hold are never looked at.

    Args:
        record: The network as the pickle describes it.

    Attributes:
        network: The network, on the ``meta`` device: `tensors` belong into it.
        records: The record of each layer.
        families: Families that the blocks come from.

    Raises:
        CheckpointError: A block is unknown, lacks a part, or has values or tensors that do not fit it.
    """

    def __init__(self, record: Instance) -> None:
        self._made: dict[int, nn.Module | None] = {}
        self._tensors: dict[tuple[int, str], Placed] = {}
        self.families: set[str] = set()
        self.records: list[Instance] = []
        if record.class_path not in NETWORKS:
            raise CheckpointError(
                f"holds a {clip(record.class_path)} where a network is expected; "
                f"known networks: {', '.join(NETWORKS)}"
            )
        self.network = self._network(record)

    @property
    def tensors(self) -> list[Placed]:
        """The tensors of the file and their places."""
        return list(self._tensors.values())

    def _network(self, record: Instance) -> Network:
        layers = _children(record, "the network").get("model")
        if not isinstance(layers, Instance) or layers.class_path not in CONTAINERS:
            raise CheckpointError("has a network without layers")
        made = []
        for index, (name, layer) in enumerate(_children(layers, "the network").items()):
            place = f"layer {clip(name)}"
            module = self._module(layer, place, 0)
            self.records.append(layer)
            made.append((module, _source(layer, index, place)))
        try:
            return Network(made).eval()
        except ValueError as error:
            raise CheckpointError(f"has a network that cannot run: {error}") from error

    def _module(self, record: Any, place: str, depth: int) -> nn.Module:
        if not isinstance(record, Instance):
            raise CheckpointError(f"has something that is not a module at {place}")
        place = f"{place} ({clip(record.class_path)})"
        if depth > _MAX_DEPTH:
            raise CheckpointError(f"nests modules more than {_MAX_DEPTH} deep")
        children = _children(record, place)
        if id(record) in self._made:
            # Blocks may share an activation. Anything larger in two places would be run once for each.
            shared = self._made[id(record)]
            if shared is None or children:
                raise CheckpointError(f"uses one module in several places: {place}")
            return shared
        if len(self._made) >= MAX_MODULES:
            raise CheckpointError(f"has more than {MAX_MODULES} modules")
        self._made[id(record)] = None
        parts = {
            name: self._module(child, f"{place}.{clip(name)}", depth + 1)
            for name, child in children.items()
            if child is not None
        }
        try:
            module = self._make(record, parts)
        except (ValueError, RuntimeError, TypeError, ArithmeticError) as error:
            if isinstance(error, CheckpointError):
                raise
            raise CheckpointError(
                f"has a block that cannot be rebuilt: {place} {clip(str(error), 300)}"
            ) from error
        self._collect_tensors(module, record, place)
        self._made[id(record)] = module
        return module.eval()

    def _make(self, record: Instance, parts: dict[str, nn.Module]) -> nn.Module:
        path = record.class_path
        if path in CONTAINERS:
            return nn.ModuleList(parts.values()) if path.endswith("List") else nn.Sequential(*parts.values())
        fields = Fields(_state(record))
        kind = find_block(path)
        if kind is not None:
            self.families.add(kind.family)
            return kind.assembled(parts, fields)
        build = find_torch_module(path)
        if build is None:
            raise ValueError("is not a module")
        return build(
            fields, {name: isinstance(value, TensorRef) for name, value in _tensor_table(record).items()}
        )

    def _collect_tensors(self, module: nn.Module, record: Instance, place: str) -> None:
        """Note which tensor of the file each tensor of this module gets, its children apart."""
        if isinstance(module, Block) and not module._parameters:
            return
        table = _tensor_table(record)
        for name, own in [*module._parameters.items(), *module._buffers.items()]:
            if own is None or name in IGNORED_TENSORS:
                continue
            ref = table.get(name)
            if not isinstance(ref, TensorRef):
                raise CheckpointError(f"lacks the tensor {name} of {place}")
            if ref.size != tuple(own.shape):
                raise CheckpointError(
                    f"has a tensor {name} of size {ref.size} at {place}, "
                    f"where its attributes ask for {tuple(own.shape)}"
                )
            self._tensors[id(module), name] = Placed(module, name, ref, f"{place}.{name}")


def _state(record: Instance) -> Mapping[str, Any]:
    if type(record.state) is not dict:
        raise CheckpointError(f"has a {clip(record.class_path)} without a state")
    return record.state


def _children(record: Instance, place: str) -> dict[str, Any]:
    children = _state(record).get("_modules", {})
    if type(children) is not dict or not all(type(name) is str for name in children):
        raise CheckpointError(f"has a damaged list of modules at {place}")
    return children


def _tensor_table(record: Instance) -> dict[str, Any]:
    state = _state(record)
    tables = [state.get("_parameters", {}), state.get("_buffers", {})]
    if not all(type(table) is dict for table in tables):
        raise CheckpointError(f"has a {clip(record.class_path)} whose tensors are not named")
    return {**tables[0], **tables[1]}


def _source(layer: Instance, index: int, place: str) -> int | list[int]:
    """Which layers a layer reads: its attribute ``f``; without it, the layer before."""
    state = _state(layer)
    if state.get("i", index) != index:
        raise CheckpointError(f"has {place} numbered otherwise than its position {index}")
    source = state.get("f", -1)
    if type(source) is int:
        return source
    if type(source) is list and source and all(type(each) is int for each in source):
        return list(source)
    raise CheckpointError(f"does not say which layers {place} reads")
