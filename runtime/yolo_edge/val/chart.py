"""What all charts of an evaluation share: a picture, its colours, class names as text, and the file.

No pyplot, so that no window system, no global figure and no setting of the calling program is touched.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yolo_edge.sinks.files import replace_output

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#222222"
MUTED = "#6b7280"
GRID = "#e5e7eb"
FAINT_LINE = "#c3c9d2"
MEAN = "#1d4ed8"
COLOURS = ("#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#7c3aed", "#8c564b", "#111827")
"""For single classes and configurations, apart for colour-blind eyes too (Okabe and Ito)."""

_DPI = 150
_MARGIN_IN = 0.12
_LONGEST_NAME = 24

_FONTS = (
    "DejaVu Sans",  # comes with matplotlib
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Microsoft YaHei",
    "PingFang SC",
    "Arial Unicode MS",
)


def new_figure(width_in: float, height_in: float) -> Figure:
    """An empty picture of this size in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=_MARGIN_IN, h_pad=_MARGIN_IN)
    figure = Figure(figsize=(width_in, height_in), dpi=_DPI, layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def save_png(figure: Figure, path: Path) -> None:
    """Writes a picture beside its place and renames it.

    Raises:
        SinkError: It cannot be written.
    """
    from matplotlib.text import Text

    families = _families()
    for text in figure.findobj(Text):
        text.set_fontfamily(families)
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=_DPI)
    replace_output(path, data.getvalue())


def headline(axes: Axes, title: str, subtitle: str) -> None:
    """Puts what is seen, and under what conditions, above a chart."""
    lines = subtitle.count("\n") + 1
    axes.set_title(plain(title), loc="left", fontsize=13, color=INK, fontweight="bold", pad=14 + 12.5 * lines)
    axes.annotate(
        plain(subtitle),
        (0, 1),
        xytext=(0, 9),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=9,
        color=MUTED,
        linespacing=1.35,
        annotation_clip=False,
    )


def unit_axes(axes: Axes, x: str, y: str) -> None:
    """Both axes from 0 to 1, with a light grid."""
    ticks = [tick / 10 for tick in range(11)]
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.01)
    axes.set_xticks(ticks)
    axes.set_yticks(ticks)
    bare(axes)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_xlabel(x, fontsize=11, color=INK)
    axes.set_ylabel(y, fontsize=11, color=INK)


def show_legend(axes: Axes, lines: Sequence[Any], labels: Sequence[str], title: str) -> None:
    """A legend at the right of a chart, where it covers nothing."""
    legend = axes.legend(
        lines,
        # Labels that start with an underscore would be left out.
        [label if not label.startswith("_") else f"\u200b{label}" for label in labels],
        title=title,
        loc="upper left",
        bbox_to_anchor=(1.01, 1),
        frameon=False,
        fontsize=10,
        title_fontsize=10,
        alignment="left",
        labelcolor=INK,
    )
    legend.get_title().set_color(MUTED)


def bare(axes: Axes) -> None:
    """Takes away what tells nothing: the frame's upper and right side, and tick marks."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(MUTED)
    axes.tick_params(length=0, labelsize=9.5, labelcolor=INK)
    axes.set_axisbelow(True)


def plain(text: str) -> str:
    """Text as it stands: dollar signs begin no formula, and what no font here has is a question mark."""
    letters = _letters()
    return "".join(c if c == "\n" or ord(c) in letters else "?" for c in text).replace("$", r"\$")


def class_labels(ids: Sequence[int], names: Sequence[str]) -> list[str]:
    """Class names that fit into a chart; a name in a script that no font here has becomes its class id."""
    return [_shortened(name) if _drawable(name) else f"class {i}" for i, name in zip(ids, names)]


def _families() -> list[str]:
    """Font families of this machine; a letter is taken from the first that has it."""
    return [family for family in _FONTS if family in _font_files()]


def _shortened(name: str) -> str:
    return plain(name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1].rstrip() + "…")


def _drawable(name: str) -> bool:
    return name.isprintable() and set(map(ord, name)) <= _letters()


@lru_cache(maxsize=1)
def _letters() -> frozenset[int]:
    from matplotlib import font_manager

    files = _font_files()
    letters: set[int] = set()
    for family in _families():
        letters.update(font_manager.get_font(files[family]).get_charmap())
    return frozenset(letters)


@lru_cache(maxsize=1)
def _font_files() -> dict[str, Any]:
    # "Matplotlib is building the font cache" and the like: nothing that a user has to act on.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    from matplotlib import font_manager

    return {font.name: font.fname for font in reversed(font_manager.fontManager.ttflist)}
