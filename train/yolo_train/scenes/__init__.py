"""Labelled scenes with codes, drawn from a seed: what the default model learns from."""

from yolo_train.scenes.photographs import Photographs
from yolo_train.scenes.scene import Scene, draw_scene
from yolo_train.scenes.settings import CLUTTER, HARDER, SETTINGS, TRAINING, SceneSettings

__all__ = ["CLUTTER", "HARDER", "SETTINGS", "TRAINING", "Photographs", "Scene", "SceneSettings", "draw_scene"]
