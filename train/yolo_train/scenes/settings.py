"""How hard the scenes are."""

from __future__ import annotations

from dataclasses import dataclass, replace

Range = tuple[float, float]


@dataclass(frozen=True)
class SceneSettings:
    """Ranges that scenes are drawn from; lengths are fractions of the picture's side unless it is said."""

    name: str
    """How the command line calls it."""
    number: int
    """Part of the seed, so that settings share no scene."""
    empty: float
    """Share of scenes without a code."""
    collage: float
    """Chance that the background is made of pieces of several photographs; half as often, any one is bent."""
    prints: tuple[float, ...]
    """Chances of one, two, three ... prints with codes in a scene that has any."""
    code_side: Range
    """Longer side of a code as it is seen; drawn log-uniformly."""
    module_px: float
    """Least pixels of a QR code's module or a narrow bar in a picture of 416, so that it can be seen at all;
    markers have 2.2 times as many."""
    tilt_deg: Range
    """Angle between the camera's axis and the print's normal."""
    steep: float
    """Exponent of the tilt's distribution: 1 uniform, above 1 mostly upright."""
    nearness: Range
    """Print's side over the camera's distance: how strongly lines converge."""
    bent: float
    """Chance that the print is curled or on a cylinder."""
    bend_rad: Range
    """Angle of the arc it covers."""
    cut: float
    """Chance that a print may reach beyond the picture."""
    occluded: float
    """Chance of each code that something lies over a part of it."""
    inverted: float
    """Chance of light modules on dark ground."""
    contrast: Range
    """Paper's brightness minus the ink's, of 1."""
    halftone: float
    """Chance that prints have a printer's dots, or a screen's pixels that beat with the sensor's."""
    gain: Range
    """Brightness of the whole picture."""
    light: float
    """How uneven the light may be, of 1."""
    shadows: float
    """Chance of a shadow's edge across the picture."""
    glare: float
    """Chance of a specular spot."""
    defocus_px: Range
    """Gaussian sigma in pixels at 416."""
    motion: float
    """Chance of motion blur."""
    motion_px: Range
    """Length of it in pixels at 416."""
    noise: Range
    """Standard deviation of the sensor's noise, of 255."""
    jpeg_quality: tuple[int, int]
    """Quality of the written file."""
    distractors: tuple[int, int]
    """Least and most prints that only look like codes."""


MIN_VISIBLE = 0.5
"""Share of a code's area that is visible at the least: every code that is drawn is labelled."""

TRAINING = SceneSettings(
    name="training",
    number=0,
    empty=0.18,
    collage=0.1,
    prints=(0.3, 0.3, 0.25, 0.15),
    code_side=(0.08, 0.8),
    module_px=1.15,
    tilt_deg=(0, 60),
    steep=1.4,
    nearness=(0.05, 0.5),
    bent=0.15,
    bend_rad=(0.3, 1.5),
    cut=0.2,
    occluded=0.15,
    inverted=0.06,
    contrast=(0.35, 1.0),
    halftone=0.1,
    gain=(0.4, 1.3),
    light=0.6,
    shadows=0.3,
    glare=0.15,
    defocus_px=(0.0, 1.4),
    motion=0.2,
    motion_px=(2, 7),
    noise=(0, 12),
    jpeg_quality=(35, 95),
    distractors=(0, 4),
)

CLUTTER = replace(TRAINING, name="clutter", number=2, empty=0.85, collage=0.5, distractors=(0, 8))
"""Mostly scenes without a code: for training, so that other things are not taken for one."""

ROUGH = replace(
    TRAINING,
    name="rough",
    number=3,
    empty=0.1,
    prints=(0.45, 0.3, 0.15, 0.1),
    code_side=(0.08, 0.42),
    tilt_deg=(12, 60),
    steep=1.2,
    nearness=(0.15, 0.65),
    bent=0.4,
    bend_rad=(0.4, 1.55),
    occluded=0.2,
    contrast=(0.35, 0.85),
    halftone=0.4,
    gain=(0.35, 1.0),
    light=0.65,
    shadows=0.55,
    glare=0.25,
    defocus_px=(0.4, 1.45),
    motion=0.37,
    noise=(4, 13),
    jpeg_quality=(23, 68),
    distractors=(1, 5),
)
"""Poor pictures, more than half way to ``harder``: for training."""

HARDER = SceneSettings(
    name="harder",
    number=1,
    empty=0.1,
    collage=0.1,
    prints=(0.6, 0.3, 0.1),
    code_side=(0.08, 0.35),
    module_px=1.2,
    tilt_deg=(20, 62),
    steep=1.0,
    nearness=(0.2, 0.7),
    bent=0.5,
    bend_rad=(0.5, 1.6),
    cut=0.1,
    occluded=0.2,
    inverted=0.05,
    contrast=(0.4, 0.8),
    halftone=0.5,
    gain=(0.35, 0.9),
    light=0.7,
    shadows=0.6,
    glare=0.3,
    defocus_px=(0.6, 1.5),
    motion=0.4,
    motion_px=(2, 7),
    noise=(5, 14),
    jpeg_quality=(20, 60),
    distractors=(1, 5),
)
"""Printed-and-photographed, harder throughout: for measuring, never for training."""

SETTINGS = {setting.name: setting for setting in (TRAINING, CLUTTER, ROUGH, HARDER)}
"""By name."""
