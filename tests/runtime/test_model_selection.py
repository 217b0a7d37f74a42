from __future__ import annotations

from pathlib import Path

import pytest

from yolo_edge.errors import BundleError
from yolo_edge.model_selection import MODEL_VARIABLE, find_model


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MODEL_VARIABLE, raising=False)


def test_order_of_precedence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "only.edge").mkdir()
    (tmp_path / "file.edge").write_text("not a folder")
    assert find_model(None, tmp_path) == tmp_path / "only.edge"
    monkeypatch.setenv(MODEL_VARIABLE, "from-variable.edge")
    assert find_model(None, tmp_path) == Path("from-variable.edge")
    assert find_model("given.edge", tmp_path) == Path("given.edge")


def test_none(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no model: give --model"):
        find_model(None, tmp_path)


def test_several_are_listed(tmp_path: Path) -> None:
    for name in ("b.edge", "a.edge"):
        (tmp_path / name).mkdir()
    with pytest.raises(BundleError, match=r"several bundles here: a\.edge, b\.edge; choose one with --model"):
        find_model(None, tmp_path)
