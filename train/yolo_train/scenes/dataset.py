"""Writes scenes as a dataset in YOLO format."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from yolo_edge.datasets import Objects
from yolo_edge.errors import SinkError
from yolo_edge.markers import CLASS_NAMES
from yolo_edge.packages import require_cv2
from yolo_edge.progress import Progress, duration
from yolo_edge.staging import Staging
from yolo_train.converters import write_label_file, write_yaml
from yolo_train.scenes.options import SceneOptions
from yolo_train.scenes.photographs import Photographs
from yolo_train.scenes.scene import Scene, draw_scene
from yolo_train.scenes.settings import SETTINGS

cv2 = require_cv2("drawing scenes")

RECORD = "scenes.json"
"""What a dataset was drawn from; also how a folder is recognised as one that may be replaced."""
YAML = "data.yaml"
_CHUNK = 25
"""Scenes that a worker draws before it takes the next lot."""


def write_scenes(
    folder: Path,
    options: SceneOptions,
    *,
    photographs: Path | None = None,
    workers: int = 1,
    force: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Draws scenes into a folder: ``images/``, ``labels/`` and ``data.yaml``.

    It is written beside and moved into place, so that an interrupted run leaves nothing half done.

    Args:
        folder: Where to.
        options: What.
        photographs: Folder of photographs for backgrounds; None draws all of it.
        workers: Processes that draw; the files are the same for any number.
        force: Replace a folder of scenes that is there.
        progress: Where to tell how far it is.

    Returns:
        The dataset YAML.

    Raises:
        ValueError: ``workers`` is below 1.
        SinkError: The folder is there already (and, with ``force``, holds no scenes), or cannot be written.
        SourceError: The photographs cannot be read.
        MissingExtraError: PyYAML is not installed.
    """
    if workers < 1:
        raise ValueError(f"workers is {workers}; it must be a whole number of at least 1")
    _check_place(folder, force)
    if photographs is not None:
        Photographs.of_folder(photographs)  # its errors, before anything is written
    splits = [split for split in ("train", "val") if getattr(options, split)]
    with Staging(
        folder, kind="a folder of scenes", recognise=_may_be_replaced, error=SinkError, durable=False
    ) as staging:
        drawn = (
            f"Drawn by yolo-train scenes, seed {options.seed}, setting {options.setting}; more in {RECORD}."
        )
        write_yaml(staging.folder / YAML, splits, CLASS_NAMES, drawn)
        for split in splits:
            (staging.folder / "images" / split).mkdir(parents=True)
        counts = _draw_all(staging.folder, options, photographs, workers, progress)
        record = {**asdict(options), "photographs": photographs is not None, "codes": counts}
        (staging.folder / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        staging.move_into_place()
    return folder / YAML


def _may_be_replaced(folder: Path) -> bool:
    return folder.is_dir() and ((folder / RECORD).is_file() or not any(folder.iterdir()))


def _check_place(folder: Path, force: bool) -> None:
    replaceable = _may_be_replaced(folder)
    if not folder.exists() or (replaceable and not any(folder.iterdir())):
        return
    if not force:
        raise SinkError(f"{folder} is there already" + ("; --force replaces it" if replaceable else ""))
    if not replaceable:
        raise SinkError(f"{folder} holds no {RECORD}, so it is not replaced: give another folder or move it")


def _draw_all(
    folder: Path, options: SceneOptions, photographs: Path | None, workers: int, progress: Progress | None
) -> dict[str, int]:
    """Draws every scene; returns the number of codes by class."""
    lots = [
        (split, range(start, min(start + _CHUNK, count)))
        for split, count in (("train", options.train), ("val", options.val))
        for start in range(0, count, _CHUNK)
    ]
    total, done, started = options.train + options.val, 0, time.monotonic()
    counts = [0] * len(CLASS_NAMES)
    for (_, numbers), found in zip(lots, _each(lots, folder, options, photographs, workers)):
        done += len(numbers)
        counts = [before + more for before, more in zip(counts, found)]
        if progress is not None:
            rate = done / max(1e-9, time.monotonic() - started)
            left = duration((total - done) / rate)
            progress.status(f"{done} of {total} scenes, {rate:.0f} per second, {left} left")
    if progress is not None:
        progress.clear()
    return dict(zip(CLASS_NAMES, counts))


def _each(
    lots: list[tuple[str, range]],
    folder: Path,
    options: SceneOptions,
    photographs: Path | None,
    workers: int,
) -> Iterator[list[int]]:
    if workers == 1:
        threads = cv2.getNumThreads()
        _start_worker(folder, options, photographs)
        try:
            yield from map(_draw_lot, lots)
        finally:
            cv2.setNumThreads(threads)
        return
    # Spawned, for a forked copy of a process with threads may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _start_worker, (folder, options, photographs)) as pool:
        try:
            yield from pool.map(_draw_lot, lots)
        except BrokenProcessPool:
            raise SinkError(
                "a process that draws scenes was killed, as happens when memory is short; fewer --workers "
                "need less"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)  # Ctrl-C need not wait for the rest


@dataclass(frozen=True)
class _Work:
    folder: Path
    options: SceneOptions
    photographs: Photographs


_work: list[_Work] = []
"""What this process draws from; set once when it starts."""


def _start_worker(folder: Path, options: SceneOptions, photographs: Path | None) -> None:
    cv2.setNumThreads(1)
    read = Photographs.of_folder(photographs) if photographs is not None else Photographs()
    _work[:] = [_Work(folder, options, read)]


def _draw_lot(lot: tuple[str, range]) -> list[int]:
    """Draws and writes some scenes of a split; returns the number of codes by class."""
    split, numbers = lot
    work = _work[0]
    options = work.options
    counts = [0] * len(CLASS_NAMES)
    for number in numbers:
        # Even numbers train, odd ones validate, so that either count may change without the other's scenes.
        index = 2 * number + (split == "val")
        scene = draw_scene(
            options.seed, index, SETTINGS[options.setting], side=options.imgsz, photographs=work.photographs
        )
        image = Path(f"{number:06d}.jpg")
        written, data = cv2.imencode(".jpg", scene.image, [cv2.IMWRITE_JPEG_QUALITY, scene.jpeg_quality])
        if not written:
            raise SinkError(f"scene {number} cannot be written as JPEG")
        (work.folder / "images" / split / image).write_bytes(data.tobytes())
        for class_id in scene.class_ids:
            counts[class_id] += 1
        write_label_file(work.folder, split, image, _objects(scene))
    return counts


def _objects(scene: Scene) -> Objects:
    count = len(scene.class_ids)
    boxes = scene.boxes_xyxy / scene.image.shape[0]
    return Objects(scene.class_ids, boxes, np.zeros(count, np.bool_), np.full(count, np.nan))
