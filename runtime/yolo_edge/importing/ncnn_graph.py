"""What the text of an ncnn ``.param`` file says: inputs, unread blobs, and whether the size is fixed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from yolo_edge.errors import BundleError

_MAGIC = "7767517"
_LARGEST = 20_000_000


@dataclass(frozen=True)
class NcnnGraph:
    """The facts of a graph.

    Attributes:
        inputs: Blob names of its ``Input`` layers.
        input_hw: Height and width that its input layer names, if it does.
        outputs: Blobs that no layer reads, in the order of the file.
        fixed: Why the graph takes one image size only; empty when nothing in the text says so.
    """

    inputs: tuple[str, ...]
    input_hw: tuple[int, int] | None
    outputs: tuple[str, ...]
    fixed: str


def read_ncnn_graph(path: Path) -> NcnnGraph:
    """Reads a ``.param`` file.

    Raises:
        BundleError: It is not one.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise BundleError(f"{path}: is too large for an ncnn .param file")
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        lines = []
    if len(lines) < 3 or lines[0] != [_MAGIC] or len(lines[1]) != 2:
        raise BundleError(f"{path}: is not an ncnn .param file in text form, which begins with {_MAGIC}")
    try:
        layers = [_layer(words) for words in lines[2:]]
        if len(layers) != int(lines[1][0]):
            raise ValueError(f"it has {len(layers)} layers, but says {lines[1][0]}")
    except (ValueError, IndexError) as error:
        raise BundleError(f"{path}: is cut off or damaged: {error}") from None
    read = {blob for _, inputs, _, _ in layers for blob in inputs}
    input_layers = [layer for layer in layers if layer[0] == "Input"]
    return NcnnGraph(
        inputs=tuple(blob for _, _, outputs, _ in input_layers for blob in outputs),
        input_hw=_input_hw(input_layers[0][3]) if len(input_layers) == 1 else None,
        outputs=tuple(
            blob
            for kind, _, outputs, _ in layers
            for blob in outputs
            if blob not in read and kind not in ("Input", "Noop")
        ),
        fixed=next((reason for layer in layers if (reason := _fixed(layer[0], layer[3]))), ""),
    )


_Layer = tuple[str, list[str], list[str], dict[str, str]]


def _layer(words: list[str]) -> _Layer:
    inputs, outputs = int(words[2]), int(words[3])
    blobs, parameters = words[4 : 4 + inputs + outputs], words[4 + inputs + outputs :]
    if min(inputs, outputs) < 0 or len(blobs) != inputs + outputs:
        raise ValueError(f"layer {words[1]} has fewer blobs than it says")
    return words[0], blobs[:inputs], blobs[inputs:], dict(word.split("=", 1) for word in parameters)


def _input_hw(parameters: dict[str, str]) -> tuple[int, int] | None:
    width, height = int(parameters.get("0", 0)), int(parameters.get("1", 0))
    return (height, width) if width > 0 and height > 0 else None


def _fixed(kind: str, parameters: dict[str, str]) -> str:
    """Layers that compute nonsense, or read beyond a blob, when the image has another size."""
    if kind == "MemoryData":
        return "it holds a constant blob (a grid of one image size)"
    if kind == "Reshape":
        sides = [parameters[key] for key in ("0", "1", "11", "2") if key in parameters]
        if len(sides) > 1 and not {"-1", "0"} & set(sides):
            return f"a Reshape has the fixed sides {' x '.join(sides)}"
    if kind == "Interp" and int(parameters.get("3", 0)) > 0 and int(parameters.get("4", 0)) > 0:
        return f"an Interp has the fixed size {parameters['3']} x {parameters['4']}"
    return ""
