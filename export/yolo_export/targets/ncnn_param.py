"""Reads, checks and rewrites ncnn's ``.param`` files: a magic number, two counts, then one line per layer."""

from __future__ import annotations

import re
from dataclasses import dataclass

from yolo_export.errors import ConversionError

__all__ = ["Layer", "check_layers", "format_param", "fuse_channel_shuffle", "parse_param"]

_MAGIC = "7767517"
#: ncnn's own layers are named like classes; what pnnx could not convert keeps a name with a dot or colons.
_NCNN_TYPE = re.compile(r"[A-Z][A-Za-z0-9]*")
#: ncnn's name for swapping depth and channels of a four-dimensional blob.
_SWAP_DEPTH_AND_CHANNELS = {"0": "6"}


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


def fuse_channel_shuffle(layers: list[Layer]) -> list[Layer]:
    """Replace the three layers of a channel shuffle by ncnn's own ``ShuffleChannel``.

    It is faster than moving the data twice, and unlike a Reshape with an expression it runs in ncnn releases
    from before 2025, too.

    Args:
        layers: A graph, in order.

    Returns:
        The graph with every ``Reshape (W, H, K, G) -> Permute -> Reshape (W, H, K*G)`` replaced.
    """
    readers: dict[str, list[Layer]] = {}
    for layer in layers:
        for blob in layer.inputs:
            readers.setdefault(blob, []).append(layer)
    shuffles: dict[int, Layer] = {}
    gone: set[int] = set()
    for layer in layers:
        chain = [layer, *_only_readers(layer, readers, 2)]
        groups = _shuffle_groups(chain)
        if groups:
            params = {"0": str(groups), "1": "0"}
            shuffles[id(chain[2])] = Layer(
                "ShuffleChannel", f"shuffle_{len(shuffles)}", chain[0].inputs, chain[2].outputs, params
            )
            gone.update(id(each) for each in chain[:2])
    return [shuffles.get(id(layer), layer) for layer in layers if id(layer) not in gone]


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


def _only_readers(layer: Layer, readers: dict[str, list[Layer]], count: int) -> list[Layer]:
    """The next ``count`` layers, as long as each is the only reader of the one before."""
    chain: list[Layer] = []
    while len(chain) < count and len(layer.outputs) == 1 and len(readers.get(layer.outputs[0], [])) == 1:
        layer = readers[layer.outputs[0]][0]
        chain.append(layer)
    return chain


def _shuffle_groups(chain: list[Layer]) -> int:
    """Number of groups if three layers are a channel shuffle, else 0."""
    if [layer.kind for layer in chain] != ["Reshape", "Permute", "Reshape"]:
        return 0
    if chain[1].params != _SWAP_DEPTH_AND_CHANNELS or any(len(layer.inputs) != 1 for layer in chain):
        return 0
    split = re.fullmatch(r'"0w,0h,(\d+),(\d+)"', chain[0].params.get("6", ""))
    joined = re.fullmatch(r'"0w,0h,(\d+)"', chain[2].params.get("6", ""))
    if not split or not joined or any(set(chain[place].params) != {"6"} for place in (0, 2)):
        return 0
    each, groups = int(split[1]), int(split[2])
    return groups if each * groups == int(joined[1]) else 0
