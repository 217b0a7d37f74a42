"""What the tests of quantisation share: a small network, pictures, and a cache folder of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from yolo_edge.bundle import load_bundle
from yolo_export.quantize import Calibration, open_calibration


@pytest.fixture(scope="session")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What takes the place of the user's cache folder."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def user_cache(cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes into the user's cache folder; they share one."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_folder))


@pytest.fixture(scope="session")
def model(tiny_bundle: Path) -> bytes:
    """The network of the small bundle."""
    return (tiny_bundle / "model.onnx").read_bytes()


@pytest.fixture(scope="session")
def calibration(tiny_bundle: Path, scenes: Path) -> Calibration:
    """Three drawn pictures."""
    return open_calibration(scenes, load_bundle(tiny_bundle).input)
