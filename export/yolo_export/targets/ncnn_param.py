"""Reads, checks and writes ncnn's ``.param`` files: a magic number, two counts, then one line per layer."""

from __future__ import annotations

import re
from dataclasses import dataclass

from yolo_export.errors import ConversionError

__all__ = ["Layer", "check_layers", "format_param", "parse_param"]

_MAGIC = "7767517"
#: ncnn's own layers are named like classes; what pnnx could not convert keeps a name with a dot or colons.
_NCNN_TYPE = re.compile(r"[A-Z][A-Za-z0-9]*")


@dataclass
class Layer:
    """One layer: its type and name, the blobs it reads and writes, and its parameters as written."""

    kind: str
    name: str
    inputs: list[str]
    outputs: list[str]
    params: dict[str, str]


def parse_param(text: str) -> list[Layer]:
    """Read a ``.param`` file.

    Raises:
        ConversionError: It is not one.
    """
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if len(lines) < 3 or lines[0] != [_MAGIC]:
        raise ConversionError("pnnx did not write an ncnn graph")
    try:
        layers = [_parse_layer(words) for words in lines[2:]]
    except (ValueError, IndexError) as error:
        raise ConversionError(f"pnnx wrote an ncnn graph that cannot be read: {error}") from error
    if len(layers) != int(lines[1][0]):
        raise ConversionError(f"pnnx wrote {len(layers)} ncnn layers, but says {lines[1][0]}")
    return layers


def format_param(layers: list[Layer]) -> str:
    """Write a ``.param`` file."""
    blobs = sum(len(layer.outputs) for layer in layers)
    lines = [_MAGIC, f"{len(layers)} {blobs}"]
    for layer in layers:
        params = [f"{key}={value}" for key, value in layer.params.items()]
        words = [str(len(layer.inputs)), str(len(layer.outputs)), *layer.inputs, *layer.outputs, *params]
        lines.append(f"{layer.kind:<24} {layer.name:<24} {' '.join(words)}")
    return "\n".join(lines) + "\n"


def check_layers(layers: list[Layer]) -> None:
    """Refuse a graph with layers that ncnn does not have.

    Raises:
        ConversionError: Names every such layer.
    """
    foreign = sorted({layer.kind for layer in layers if not _NCNN_TYPE.fullmatch(layer.kind)})
    if foreign:
        raise ConversionError(f"pnnx could not convert these operators to ncnn: {', '.join(foreign)}")


def _parse_layer(words: list[str]) -> Layer:
    kind, name, inputs, outputs = words[0], words[1], int(words[2]), int(words[3])
    blobs, params = words[4 : 4 + inputs + outputs], words[4 + inputs + outputs :]
    if len(blobs) != inputs + outputs:
        raise ValueError(f"layer {name} has fewer blobs than it says")
    return Layer(kind, name, blobs[:inputs], blobs[inputs:], dict(_parse_assignment(word) for word in params))


def _parse_assignment(word: str) -> tuple[str, str]:
    key, separator, value = word.partition("=")
    if not separator:
        raise ValueError(f"parameter {word!r} has no value")
    return key, value
