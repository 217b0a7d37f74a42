"""What ``yolo-train scenes`` is told; the command line reads the defaults without OpenCV."""

from __future__ import annotations

from dataclasses import dataclass

from yolo_train.scenes.settings import SETTINGS


@dataclass(frozen=True)
class SceneOptions:
    """What is drawn. The same options and photographs give the same files."""

    train: int = 1000
    """Scenes for training."""
    val: int = 200
    """Scenes for validation."""
    seed: int = 0
    """Another seed, other scenes."""
    setting: str = "training"
    """How hard they are: a name of :data:`~yolo_train.scenes.settings.SETTINGS`."""
    imgsz: int = 416
    """Width and height in pixels."""

    def __post_init__(self) -> None:
        if self.train < 0 or self.val < 0 or self.train + self.val < 1:
            raise ValueError(f"count is {self.train} and val {self.val}; together they must be at least 1")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; it must be a whole number of at least 0")
        if self.setting not in SETTINGS:
            raise ValueError(f"setting is {self.setting!r}; known: {', '.join(sorted(SETTINGS))}")
        if self.imgsz < 64:
            raise ValueError(f"imgsz is {self.imgsz}; it must be at least 64")
