"""An architecture as a picture: a small SVG writer.

The layers run down a column, one box each, coloured by what they do. A layer that reads the one before it is
joined by a straight line; one that reads an earlier layer gets a line in a lane of its own, beside the
column, so that no two of them cross unseen.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from yolo_export.layer_table import LayerRow

__all__ = ["draw_graph"]

_BOX_WIDTH, _BOX_HEIGHT, _GAP = 440, 34, 16
_LANE, _MARGIN, _TITLE = 16, 24, 86
_FONT = "font-family='DejaVu Sans, Verdana, sans-serif'"
#: Fill and border by the kind of layer.
_COLORS = {
    "head": ("#f6d5d5", "#a33c3c"),
    "join": ("#fbeecb", "#a8842a"),
    "pool": ("#dcd3ef", "#6a4fa3"),
    "resize": ("#d9ecd6", "#4b8a42"),
    "convolution": ("#d6e4f5", "#3a6ea5"),
    "image": ("#eeeeee", "#777777"),
}
_KINDS = {
    "Add": "join",
    "Concat": "join",
    "Detect": "head",
    "SPP": "pool",
    "SPPF": "pool",
    "C3SPP": "pool",
    "MaxPool2d": "pool",
    "Upsample": "resize",
    "Contract": "resize",
    "Expand": "resize",
}
#: What is written beside the colours, in this order.
_LEGEND = (
    ("convolution", "convolutions"),
    ("pool", "pooling"),
    ("resize", "resizing"),
    ("join", "joining"),
    ("head", "detection"),
)


def draw_graph(rows: Sequence[LayerRow], *, title: str, facts: str, strides: Sequence[int]) -> str:
    """Draw a network.

    Args:
        rows: Its layers, from `yolo_export.layer_table.layer_table`; the last one is the detection layer.
        title: A line above the picture.
        facts: A smaller line below it.
        strides: Stride of each head in px, in the order that the last layer reads them.

    Returns:
        The text of an SVG file, without references to anything outside it.
    """
    lanes = _assign_lanes(rows)
    left = _MARGIN
    lanes_from = left + _BOX_WIDTH + 14
    width = max(
        lanes_from + (max(lanes.values(), default=0) + 1) * _LANE + _MARGIN,
        7 * max(len(title), len(facts)) + 2 * _MARGIN,
    )
    top = {index: _TITLE + (index + 1) * (_BOX_HEIGHT + _GAP) for index in range(-1, len(rows))}
    height = top[len(rows) - 1] + _BOX_HEIGHT + _MARGIN
    parts = [
        (
            f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' "
            f"viewBox='0 0 {width} {height}'>"
        ),
        f"<title>{escape(title)}</title>",
        "<rect width='100%' height='100%' fill='#ffffff'/>",
        f"<text x='{left}' y='28' {_FONT} font-size='15' font-weight='bold'>{escape(title)}</text>",
        f"<text x='{left}' y='46' {_FONT} font-size='11'>{escape(facts)}</text>",
        *_legend(left),
    ]
    parts += _lines(rows, lanes, top, left, lanes_from)
    parts.append(_box(left, top[-1], "image", "image", "", ""))
    for row in rows:
        shape = "  ".join("x".join(map(str, shape)) for shape in row.shapes_chw)
        kind = _KINDS.get(row.module, "convolution")
        label = f"{row.index}  {row.module}" + (f"  x {row.repeats}" if row.repeats > 1 else "")
        if row.module == "Detect":
            shape = "strides " + ", ".join(map(str, strides))
        cost = f"{_short(row.parameters)} parameters, {_short(row.flops)}FLOPs" if row.flops else ""
        parts.append(_box(left, top[row.index], kind, label, shape, cost))
    return "\n".join([*parts, "</svg>", ""])


def _assign_lanes(rows: Sequence[LayerRow]) -> dict[tuple[int, int], int]:
    """A lane for each line that passes other layers, by source and reader: the innermost that is free."""
    jumps = [
        (source, row.index)
        for row in rows
        for source in row.sources
        if source != row.index - 1 and source >= -1
    ]
    taken: list[list[tuple[int, int]]] = []
    lanes: dict[tuple[int, int], int] = {}
    for start, end in sorted(set(jumps), key=lambda jump: (jump[1] - jump[0], jump)):
        free = (lane for lane, runs in enumerate(taken) if not _meets(runs, start, end))
        lane = next(free, len(taken))
        if lane == len(taken):
            taken.append([])
        taken[lane].append((start, end))
        lanes[start, end] = lane
    return lanes


def _meets(runs: Sequence[tuple[int, int]], start: int, end: int) -> bool:
    return any(start < to and since < end for since, to in runs)


def _lines(
    rows: Sequence[LayerRow],
    lanes: dict[tuple[int, int], int],
    top: dict[int, int],
    left: int,
    lanes_from: int,
) -> list[str]:
    parts = []
    middle, right = left + _BOX_WIDTH // 2, left + _BOX_WIDTH
    for row in rows:
        for source in dict.fromkeys(row.sources):
            if source == row.index - 1:
                start, end = top[source] + _BOX_HEIGHT, top[row.index]
                parts.append(_path(f"M{middle} {start}V{end - 6}"))
                parts.append(_arrow(middle, end, "down"))
                continue
            x = lanes_from + lanes[source, row.index] * _LANE
            start, end = top[source] + _BOX_HEIGHT * 2 // 3, top[row.index] + _BOX_HEIGHT // 3
            parts.append(_path(f"M{right} {start}H{x}V{end}H{right + 6}"))
            parts.append(_arrow(right, end, "left"))
    return parts


def _path(course: str) -> str:
    return f"<path d='{course}' fill='none' stroke='#555555' stroke-width='1.3'/>"


def _arrow(x: int, y: int, direction: str) -> str:
    corners = (
        f"{x},{y} {x - 4},{y - 7} {x + 4},{y - 7}"
        if direction == "down"
        else (f"{x},{y} {x + 7},{y - 4} {x + 7},{y + 4}")
    )
    return f"<polygon points='{corners}' fill='#555555'/>"


def _box(x: int, y: int, kind: str, label: str, shape: str, cost: str) -> str:
    fill, border = _COLORS[kind]
    texts = [f"<text x='{x + 12}' y='{y + 22}' {_FONT} font-size='13'>{escape(label)}</text>"]
    right = x + _BOX_WIDTH - 12
    if shape:
        texts.append(
            f"<text x='{right}' y='{y + (15 if cost else 22)}' {_FONT} font-size='12' "
            f"text-anchor='end'>{escape(shape)}</text>"
        )
    if cost:
        texts.append(
            f"<text x='{right}' y='{y + 29}' {_FONT} font-size='10' fill='#555555' "
            f"text-anchor='end'>{escape(cost)}</text>"
        )
    box = (
        f"<rect x='{x}' y='{y}' width='{_BOX_WIDTH}' height='{_BOX_HEIGHT}' rx='5' fill='{fill}' "
        f"stroke='{border}'/>"
    )
    return box + "".join(texts)


def _legend(left: int) -> list[str]:
    parts, x = [], left
    for kind, text in _LEGEND:
        fill, border = _COLORS[kind]
        parts.append(f"<rect x='{x}' y='58' width='14' height='14' rx='3' fill='{fill}' stroke='{border}'/>")
        parts.append(f"<text x='{x + 20}' y='69' {_FONT} font-size='11'>{text}</text>")
        x += 32 + 7 * len(text)
    return parts


def _short(number: int) -> str:
    for limit, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= limit:
            return f"{number / limit:.3g} {unit}"
    return f"{number} "
