"""Whether raw heads found inside a graph are what its outputs are made of: computed forward and compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import permutations

import numpy as np
import numpy.typing as npt

from yolo_edge.checking.reference import sigmoid
from yolo_edge.importing.forms import Form, RowsForm
from yolo_export.source import FloatArray, SizeHW

__all__ = ["difference", "find_anchors", "find_order"]

Values = npt.NDArray[np.float64]
Anchors = tuple[tuple[float, float], ...]

#: Of anchors that come out of decoded boxes; float32 carries seven.
_ANCHOR_DIGITS = 6
_ANCHOR_TOLERANCE = 1e-4
_SCORE_TOLERANCE = 1e-4
_SMALLEST_SIDE = 1e-6


def difference(
    form: Form,
    outputs: Mapping[str, FloatArray],
    heads: Sequence[FloatArray],
    strides: Sequence[int],
    anchors_px: Sequence[Anchors],
    tensor_hw: SizeHW,
) -> float:
    """Largest difference between a file's outputs and what its heads give in its form.

    Args:
        form: How the outputs are meant.
        outputs: Of the file, by name, for one image.
        heads: Raw, (na*no, ny, nx), in the order of the form's heads or of its rows.
        strides: Of each head.
        anchors_px: Of each head.
        tensor_hw: Size of the image.

    Returns:
        Sides of decoded boxes count as fractions of the image, or of themselves where they are larger;
        infinite for other shapes.
    """
    grids = [_cells(head, len(anchors)) for head, anchors in zip(heads, anchors_px)]
    if form.rows is None:
        return max(
            _largest(outputs[stated.name], _activated(_in_layout(cells, stated.layout), stated.activation))
            for cells, stated in zip(grids, form.heads)
        )
    found = outputs[form.rows.name]
    if form.rows.activation != "decoded":
        return _largest(found, _activated(_rows(grids), form.rows.activation))
    decoded = _rows([_decode(*head) for head in zip(grids, strides, anchors_px)])
    unit = np.ones_like(decoded)
    unit[:, :4] = np.maximum(np.abs(decoded[:, :4]), [*tensor_hw[::-1], *tensor_hw[::-1]])
    return _largest(found, decoded, unit)


def find_order(form: RowsForm, rows: FloatArray, heads: Sequence[FloatArray]) -> list[int] | None:
    """The order in which one output holds the heads: their indices; None when it does not hold them.

    Scores tell: they are the same in all forms, but for the sigmoid.
    """
    numbers = form.numbers
    if any(len(head) % numbers for head in heads):
        return None
    expected = [_cells(head, len(head) // numbers).reshape(-1, numbers)[:, 4:] for head in heads]
    if form.activation != "none":
        expected = [sigmoid(scores) for scores in expected]
    scores = rows.reshape(-1, rows.shape[-1])[:, 4:]
    for order in permutations(range(len(heads))):
        candidate = np.concatenate([expected[i] for i in order])
        if candidate.shape == scores.shape and np.abs(candidate - scores).max() <= _SCORE_TOLERANCE:
            return list(order)
    return None


def find_anchors(rows: FloatArray, heads: Sequence[FloatArray]) -> list[Anchors] | None:
    """The anchors that lead from raw heads to decoded boxes; None when none do.

    Widths and heights are an anchor's times the square of twice the sigmoid, in every cell.

    Args:
        rows: Decoded, (n, no).
        heads: In the order of the rows.
    """
    numbers = rows.shape[-1]
    flat = rows.reshape(-1, numbers).astype(np.float64)
    anchors_px: list[Anchors] = []
    start = 0
    for head in heads:
        anchors = []
        for cells in _cells(head, len(head) // numbers):
            factors = (2 * sigmoid(cells[..., 2:4].reshape(-1, 2))) ** 2
            sides = flat[start : start + len(factors), 2:4]
            start += len(factors)
            if sides.shape != factors.shape or float(factors.max(axis=0).min()) < _SMALLEST_SIDE:
                return None
            anchor = (sides * factors).sum(axis=0) / (factors**2).sum(axis=0)
            if not (np.isfinite(anchor).all() and (anchor > 0).all()):
                return None
            if np.abs(factors * anchor - sides).max() > _ANCHOR_TOLERANCE * np.abs(sides).max():
                return None
            width, height = (float(f"{side:.{_ANCHOR_DIGITS}g}") for side in anchor.tolist())
            anchors.append((width, height))
        anchors_px.append(tuple(anchors))
    return anchors_px


def _cells(head: FloatArray, anchors: int) -> Values:
    """(na, ny, nx, no) of (na*no, ny, nx)."""
    channels, ny, nx = head.shape
    cells = head.reshape(anchors, channels // anchors, ny, nx).transpose(0, 2, 3, 1)
    return cells.astype(np.float64)


def _rows(grids: Sequence[Values]) -> Values:
    return np.concatenate([cells.reshape(-1, cells.shape[-1]) for cells in grids])


def _decode(cells: Values, stride: int, anchors_px: Anchors) -> Values:
    values = sigmoid(cells)
    rows, columns = np.mgrid[0 : cells.shape[1], 0 : cells.shape[2]]
    corners = np.stack([columns, rows], axis=-1)
    centres = (2 * values[..., :2] - 0.5 + corners) * stride
    sides = (2 * values[..., 2:4]) ** 2 * np.array(anchors_px).reshape(-1, 1, 1, 2)
    return np.concatenate([centres, sides, values[..., 4:]], axis=-1)


def _in_layout(cells: Values, layout: str) -> Values:
    if layout == "c,h,w":
        return cells.transpose(0, 3, 1, 2)
    return cells


def _activated(values: Values, activation: str) -> Values:
    return sigmoid(values) if activation == "sigmoid" else values


def _largest(found: FloatArray, expected: Values, unit: Values | float = 1.0) -> float:
    if found.size != expected.size:
        return math.inf
    worst = float(np.max(np.abs(found.reshape(expected.shape) - expected) / unit, initial=0.0))
    return math.inf if math.isnan(worst) else worst
