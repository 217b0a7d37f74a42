"""Networks from YAML files in the field's form: rows ``[from, number, module, args]``.

The files of YOLOv5 and YOLOv5-Lite can be used as they are. Nothing in them is evaluated as Python.
"""

from __future__ import annotations

import ast
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from yolo_export.errors import CheckpointError, ConfigError
from yolo_export.models import MAX_MODULES, Block, Conv, Detect, Network
from yolo_export.models.recipes import make_module, output_channels

__all__ = ["YamlNetwork", "build_network"]

_MAX_LAYERS = 2000
_MAX_CHANNELS = 1 << 14
_MAX_REPEATS = 200
_MAX_SOURCES = 64
#: Longest text that is tried as arithmetic: Python's parser needs time and stack for longer ones.
_MAX_EXPRESSION = 100
_MAX_PARAMETERS = 2_000_000_000
_WIDTH_STEP = 8

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "nn.GELU": nn.GELU,
    "nn.Hardswish": nn.Hardswish,
    "nn.Identity": nn.Identity,
    "nn.LeakyReLU": nn.LeakyReLU,
    "nn.Mish": nn.Mish,
    "nn.ReLU": nn.ReLU,
    "nn.ReLU6": nn.ReLU6,
    "nn.SiLU": nn.SiLU,
}
#: Such as ``nn.LeakyReLU(0.1)``.
_ACTIVATION = re.compile(
    r"(?:torch\.)?(nn\.\w+)\((?:(?:negative_slope=)?([0-9]*\.?[0-9]+))?(?:inplace=\w+)?\)"
)


@dataclass(frozen=True)
class YamlNetwork:
    """A network that a YAML file describes, without numbers in it yet.

    Attributes:
        network: On the ``meta`` device.
        strides: Stride of each head in px.
        anchors_px: Width and height in px of the anchors of each head.
        classes: Number of classes.
        names: Class names, where the file has them, else ``class0`` and so on.
        family: ``yolov5`` or ``yolov5-lite``.
        parameters: Number of trained parameters.
        sha256: Of what the file says, in a canonical form.
        notes: What a user should know, one sentence each.
    """

    network: Network
    strides: list[int]
    anchors_px: list[list[tuple[float, float]]]
    classes: int
    names: list[str]
    family: str
    parameters: int
    sha256: str
    notes: list[str] = field(default_factory=list)


def build_network(description: Mapping[str, Any], *, classes: int | None = None) -> YamlNetwork:
    """Build the network that a YAML mapping describes.

    Args:
        description: With ``nc``, ``anchors``, ``backbone``, ``head``, and, where they are not 1,
            ``depth_multiple`` and ``width_multiple``. ``activation`` such as ``nn.ReLU()`` replaces SiLU in
            `Conv`, and ``norm_eps`` the epsilon of 1e-3 in batch norms (a key of ours; v1.0 needs it).
            ``anchors`` is a list of widths and heights in px for each head, or how many there are for each.
        classes: Number of classes instead of ``nc``.

    Returns:
        The network and its facts. It has no numbers, and takes no memory, yet.

    Raises:
        ConfigError: A module is unknown, a source does not exist, arguments do not fit, sizes are absurd.

    Example:
        >>> rows = [[-1, 1, "Conv", [16, 3, 2]], [[0], 1, "Detect", ["nc", "anchors"]]]
        >>> made = build_network({"nc": 1, "anchors": [[4, 4]], "backbone": rows[:1], "head": rows[1:]})
        >>> made.strides, made.parameters
        ([2], 566)
    """
    builder = _Builder(description, classes)
    with torch.device("meta"):
        layers = [builder.layer(index, row) for index, row in enumerate(builder.rows)]
    try:
        network = Network(layers).eval()
    except ValueError as error:
        raise ConfigError(str(error)) from error
    parameters = sum(parameter.numel() for parameter in network.parameters())
    if parameters > _MAX_PARAMETERS:
        raise ConfigError(f"the network has {parameters} parameters; at most {_MAX_PARAMETERS} are built")
    _set_norms(network, builder.norm_eps)
    _set_activation(network, builder.activation)
    strides = _probe(network, builder.outputs)
    anchors, notes = builder.anchors_of(strides)
    canonical = json.dumps(
        _with_text_keys({**description, "nc": builder.classes}),
        sort_keys=True,
        default=str,
        ensure_ascii=True,
    )
    lite = any(isinstance(module, Block) and module.family == "yolov5-lite" for module in network.modules())
    return YamlNetwork(
        network=network,
        strides=strides,
        anchors_px=anchors,
        classes=builder.classes,
        names=_names(description.get("names"), builder.classes),
        family="yolov5-lite" if lite else "yolov5",
        parameters=parameters,
        sha256=hashlib.sha256(canonical.encode()).hexdigest(),
        notes=notes,
    )


class _Builder:
    """Turns rows into layers, one after the other."""

    def __init__(self, description: Mapping[str, Any], classes: int | None) -> None:
        self.classes = _integer(description, "nc", 80, 1, 65535) if classes is None else classes
        if not 1 <= self.classes <= 65535:
            raise ConfigError(f"nc is {self.classes}; allowed: 1 to 65535")
        self._depth = _number(description, "depth_multiple", 1.0, 16.0)
        self._width = _number(description, "width_multiple", 1.0, 16.0)
        self.norm_eps = _number(description, "norm_eps", 1e-3, 1.0)
        self._anchors = _anchors(description.get("anchors"))
        self.activation = _activation(description.get("activation"))
        self.rows = [*_rows(description, "backbone"), *_rows(description, "head")]
        if not self.rows or len(self.rows) > _MAX_LAYERS:
            raise ConfigError(f"the file has {len(self.rows)} layers; allowed: 1 to {_MAX_LAYERS}")
        self._per_head = self._anchors if isinstance(self._anchors, int) else len(self._anchors[0])
        self.outputs = self._per_head * (self.classes + 5)
        self._channels: list[int] = []
        self._modules = 0
        self._scope = {
            "nc": self.classes,
            "na": self._per_head,
            "no": self.outputs,
            "anchors": self._anchors,
        }

    def layer(self, index: int, row: Sequence[Any]) -> tuple[nn.Module, int | list[int]]:
        """Make one layer; its sources must have been made."""
        source, number, name, args = row
        place = f"layer {index}, {_shown(name)},"
        try:
            values = [self._value(arg) for arg in args]
            if name == "Detect":
                if index != len(self.rows) - 1:
                    raise ValueError("is not the last layer")
                return self._detect(index, source, values)
            sources = self._sources(index, source)
            inputs = [self._channels[each] if each >= 0 else 3 for each in sources]
            wanted = output_channels(name, inputs, values)
            scaled = None if wanted is None else self._scaled(wanted)
            made = make_module(name, inputs, values, self._repeats(number), scaled)
            if not 1 <= made.channels <= _MAX_CHANNELS:
                raise ValueError(f"puts out {made.channels} channels; allowed: 1 to {_MAX_CHANNELS}")
        except ValueError as error:
            raise ConfigError(f"{place} {error}") from error
        self._channels.append(made.channels)
        self._modules += sum(1 for _ in made.module.modules())
        if self._modules > MAX_MODULES:
            raise ConfigError(f"{place} is one too many: the network has more than {MAX_MODULES} modules")
        return made.module, source if isinstance(source, int) else list(source)

    def anchors_of(self, strides: list[int]) -> tuple[list[list[tuple[float, float]]], list[str]]:
        """Anchors of each head."""
        if isinstance(self._anchors, int):
            # Squares from two to four cells: what a head of that stride can predict well.
            sides = [round(2 ** (1 + place / self._anchors), 2) for place in range(self._anchors)]
            made = [[(side * stride, side * stride) for side in sides] for stride in strides]
            return made, ["the file has no anchors, only their number; squares stand in for them"]
        if len(self._anchors) != len(strides):
            raise ConfigError(f"anchors are given for {len(self._anchors)} heads; Detect has {len(strides)}")
        return self._anchors, []

    def _detect(self, index: int, source: Any, values: list[Any]) -> tuple[nn.Module, int | list[int]]:
        if len(values) != 2 or values[0] is not self.classes or values[1] is not self._anchors:
            raise ValueError("has other args than [nc, anchors]")
        if source == []:  # YOLOv5 v1.0: every layer with as many channels as a head has, the last one first.
            source = [i for i, channels in enumerate(self._channels) if channels == self.outputs][::-1]
        sources = self._sources(index, source)
        channels = [self._channels[each] for each in sources]
        rows = [self.rows[each] for each in sources]
        outside = all(row[2] == "nn.Conv2d" for row in rows) and set(channels) == {self.outputs}
        return Detect(self.classes, self._per_head, () if outside else channels), list(sources)

    def _sources(self, index: int, source: Any) -> list[int]:
        """Layer numbers; -1 is the image, which only the first layer can read."""
        given = source if type(source) is list else [source]
        if not given or not all(type(each) is int for each in given):
            raise ValueError(f"reads {_shown(source)}; expected a layer number or a list of them")
        if len(given) > _MAX_SOURCES:
            raise ValueError(f"reads {len(given)} layers; at most {_MAX_SOURCES}")
        sources = [index + each if each < 0 else each for each in given]
        for each, absolute in zip(given, sources):
            if not (0 <= absolute < index or (index == 0 and each == -1)):
                raise ValueError(f"reads layer {each}, which does not come before it")
        return sources

    def _scaled(self, channels: int) -> int:
        """Output channels at this width: the next multiple of 8, except for detection convolutions."""
        if channels == self.outputs:
            return channels
        return max(1, math.ceil(channels * self._width / _WIDTH_STEP)) * _WIDTH_STEP

    def _repeats(self, number: Any) -> int:
        if type(number) is not int or not 1 <= number <= _MAX_REPEATS:
            raise ValueError(f"has number {_shown(number)}; allowed: 1 to {_MAX_REPEATS}")
        repeats = max(round(number * self._depth), 1) if number > 1 else number
        if repeats > _MAX_REPEATS:
            raise ValueError(f"is repeated {repeats} times; at most {_MAX_REPEATS}")
        return repeats

    def _value(self, arg: Any) -> Any:
        """An argument; text may be a name such as ``nc``, a sum or product of such, or an activation."""
        if type(arg) is list:
            return [self._value(each) for each in arg]
        if type(arg) is not str:
            return arg
        if arg == "None":
            return None
        if arg.startswith("nn."):
            return _activation(arg)
        if len(arg) > _MAX_EXPRESSION:
            return arg
        try:
            return _evaluate(ast.parse(arg, mode="eval").body, self._scope)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return arg  # Plain text, such as nearest.


def _evaluate(node: ast.expr, scope: Mapping[str, Any]) -> Any:
    """Arithmetic on small numbers and the names of a scope; nothing else of Python."""
    if isinstance(node, ast.Constant) and type(node.value) in (int, float, bool, type(None)):
        return node.value
    if isinstance(node, ast.Name) and node.id in scope:
        return scope[node.id]
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub, ast.Mult, ast.FloorDiv)):
        left, right = _evaluate(node.left, scope), _evaluate(node.right, scope)
        if type(left) is int and type(right) is int and max(abs(left), abs(right)) < 1 << 24:
            if isinstance(node.op, ast.Add):
                return left + right
            if isinstance(node.op, ast.Sub):
                return left - right
            if isinstance(node.op, ast.Mult):
                return left * right
            if right:
                return left // right
    raise ValueError("not arithmetic")


def _probe(network: Network, outputs: int) -> list[int]:
    """Strides, seen by a run without memory."""
    # The package of checkpoints imports this module, for state dicts that come with a YAML file.
    from yolo_export.checkpoint.probe import head_shapes

    try:
        shapes = head_shapes(network)
    except CheckpointError as error:
        raise ConfigError(f"the file {error}") from error
    for index, (channels, _) in enumerate(shapes):
        if channels != outputs:
            raise ConfigError(f"head {index} has {channels} channels; its anchors and classes need {outputs}")
    return [stride for _, stride in shapes]


def _set_norms(network: Network, eps: float) -> None:
    """Both families train every batch norm with one epsilon, also those that blocks make with another."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps, module.momentum = eps, 0.03


def _set_activation(network: Network, activation: nn.Module | None) -> None:
    """Put an activation into every `Conv` that has the default one."""
    if activation is not None:
        for module in network.modules():
            if isinstance(module, Conv) and isinstance(module.act, nn.SiLU):
                module.act = activation


def _activation(text: Any) -> nn.Module | None:
    if text is None:
        return None
    match = _ACTIVATION.fullmatch(str(text))
    kind = _ACTIVATIONS.get(match[1]) if match else None
    if match is None or kind is None or (match[2] and kind is not nn.LeakyReLU):
        known = ", ".join(f"{name}()" for name in sorted(_ACTIVATIONS))
        raise ConfigError(f"activation is {_shown(text)}; known: {known}")
    return nn.LeakyReLU(float(match[2])) if match[2] else kind()


def _rows(description: Mapping[str, Any], key: str) -> list[list[Any]]:
    rows = description.get(key, [] if key == "head" else None)
    if type(rows) is not list:
        raise ConfigError(f"the file has no list {key!r} of rows [from, number, module, args]")
    for index, row in enumerate(rows):
        if type(row) is not list or len(row) != 4 or type(row[2]) is not str or type(row[3]) is not list:
            raise ConfigError(f"{key} row {index} is {_shown(row)}; expected [from, number, module, args]")
    return rows


def _anchors(given: Any) -> int | list[list[tuple[float, float]]]:
    """Anchors of each head in px, or how many each has."""
    if type(given) is int and 1 <= given <= 64:
        return given
    if type(given) is list and given:
        heads = [_flat(head) for head in given]
        numbers = len(heads[0])
        if numbers and all(len(head) == numbers and not numbers % 2 for head in heads) and _positive(heads):
            return [list(zip(head[::2], head[1::2])) for head in heads]
    raise ConfigError(
        f"anchors are {_shown(given)}; expected for each head a list of widths and heights in px, the same "
        "number for each, or how many each has"
    )


def _positive(heads: list[list[float]]) -> bool:
    return all(0 < side < 1e5 for head in heads for side in head)


def _flat(head: Any) -> list[float]:
    if type(head) is not list:
        return []
    values = [side for entry in head for side in (entry if type(entry) is list else [entry])]
    return [float(side) for side in values] if all(type(side) in (int, float) for side in values) else []


def _with_text_keys(value: Any) -> Any:
    """The same with text for the keys of all mappings, whose types JSON cannot sort when they are mixed."""
    if isinstance(value, Mapping):
        return {str(key): _with_text_keys(each) for key, each in value.items()}
    return [_with_text_keys(each) for each in value] if type(value) is list else value


def _integer(description: Mapping[str, Any], key: str, default: int, low: int, high: int) -> int:
    value = description.get(key, default)
    if type(value) is not int or not low <= value <= high:
        raise ConfigError(f"{key} is {_shown(value)}; allowed: {low} to {high}")
    return value


def _number(description: Mapping[str, Any], key: str, default: float, high: float) -> float:
    value = description.get(key, default)
    if type(value) not in (int, float) or not 0 < value <= high:
        raise ConfigError(f"{key} is {_shown(value)}; expected a number above 0, at most {high:g}")
    return float(value)


def _names(given: Any, classes: int) -> list[str]:
    if type(given) is dict and set(given) == set(range(classes)):
        given = [given[index] for index in range(classes)]
    if type(given) is list and len(given) == classes and all(type(name) in (str, int) for name in given):
        return ["".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(name)) for name in given]
    return [f"class{index}" for index in range(classes)]


def _shown(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 80 else text[:77] + "..."
