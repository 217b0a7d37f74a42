"""Labelled scenes with codes, drawn from a seed: what the default model learns from.

Importing the package imports neither numpy nor OpenCV; each name is loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yolo_edge.lazy_names import lazy_names

if TYPE_CHECKING:
    from yolo_train.scenes.options import SceneOptions
    from yolo_train.scenes.photographs import Photographs
    from yolo_train.scenes.scene import Scene, draw_scene
    from yolo_train.scenes.settings import CLUTTER, HARDER, ROUGH, SETTINGS, TRAINING, SceneSettings

__all__ = [
    "CLUTTER",
    "HARDER",
    "ROUGH",
    "SETTINGS",
    "TRAINING",
    "Photographs",
    "Scene",
    "SceneOptions",
    "SceneSettings",
    "draw_scene",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "CLUTTER": "settings",
        "HARDER": "settings",
        "ROUGH": "settings",
        "SETTINGS": "settings",
        "TRAINING": "settings",
        "Photographs": "photographs",
        "Scene": "scene",
        "SceneOptions": "options",
        "SceneSettings": "settings",
        "draw_scene": "scene",
    },
)
