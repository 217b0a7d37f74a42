"""Rewrites of an ncnn graph into layers that ncnn runs faster than what pnnx wrote."""

from __future__ import annotations

import re

from yolo_export.targets.ncnn_param import Layer

__all__ = ["fuse_channel_shuffle", "fuse_swish"]

#: ncnn's name for swapping depth and channels of a four-dimensional blob.
_SWAP_DEPTH_AND_CHANNELS = {"0": "6"}
#: ncnn's name for the product of two blobs.
_MULTIPLY = {"0": "2"}


def fuse_channel_shuffle(layers: list[Layer]) -> list[Layer]:
    """Replace the three layers of a channel shuffle by ncnn's own ``ShuffleChannel``.

    It is faster than moving the data twice, and unlike a Reshape with an expression it runs in ncnn releases
    from before 2025, too.

    Args:
        layers: A graph, in order.

    Returns:
        The graph with every ``Reshape (W, H, K, G) -> Permute -> Reshape (W, H, K*G)`` replaced.
    """
    readers = _readers(layers)
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


def fuse_swish(layers: list[Layer]) -> list[Layer]:
    """Replace ``x * sigmoid(x)`` by ncnn's own ``Swish``.

    pnnx does so itself, except where something follows that it writes into one expression with the product:
    the addition of a shortcut, or the weighing of channels. There x is a row of numbers, which pnnx first
    reshapes to 1x1 maps; ncnn multiplies maps by either.

    Args:
        layers: A graph, in order.

    Returns:
        The graph with every ``Split, Sigmoid, BinaryOp`` that is a swish replaced.
    """
    readers = _readers(layers)
    makers = {blob: layer for layer in layers for blob in layer.outputs}
    swishes: dict[int, Layer] = {}
    gone: set[int] = set()
    for split in layers:
        if split.kind != "Split" or len(split.inputs) != 1 or len(split.outputs) != 2:
            continue
        maker = makers.get(split.inputs[0])
        is_row = maker is not None and maker.kind == "InnerProduct"
        for blob, other in (split.outputs, split.outputs[::-1]):
            chain = _swish_chain(blob, other, readers, is_row)
            if chain:
                product = chain[-1]
                name = f"swish_{len(swishes)}"
                swishes[id(product)] = Layer("Swish", name, split.inputs, product.outputs, {})
                gone.update(id(layer) for layer in (split, *chain[:-1]))
    return [swishes.get(id(layer), layer) for layer in layers if id(layer) not in gone]


def _swish_chain(blob: str, other: str, readers: dict[str, list[Layer]], is_row: bool) -> list[Layer]:
    """The layers after a Split that make a swish of its outputs, the product last; none if they do not."""
    chain: list[Layer] = []
    ends = [readers.get(each, []) for each in (blob, other)]
    if [len(end) for end in ends] != [1, 1] or ends[0][0].kind != "Sigmoid":
        return []
    sigmoid, last = ends[0][0], ends[1][0]
    if is_row and last.kind == "Reshape" and last.params.get("6", "").startswith('"1,1,'):
        chain.append(last)
        other = last.outputs[0]
        if len(readers.get(other, [])) != 1:
            return []
        last = readers[other][0]
    factors = [*sigmoid.outputs, other]
    if last.kind != "BinaryOp" or last.params != _MULTIPLY or sorted(last.inputs) != sorted(factors):
        return []
    return [*chain, sigmoid, last] if len(readers.get(sigmoid.outputs[0], [])) == 1 else []


def _readers(layers: list[Layer]) -> dict[str, list[Layer]]:
    """The layers that read each blob."""
    readers: dict[str, list[Layer]] = {}
    for layer in layers:
        for blob in layer.inputs:
            readers.setdefault(blob, []).append(layer)
    return readers


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
