from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from yolo_train.report import curves
from yolo_train.report.results import EpochResult


def result(epoch: int) -> EpochResult:
    numbers = {each.name: 0.1 * (epoch + 1) for each in dataclasses.fields(EpochResult)}
    return EpochResult(**{**numbers, "epoch": epoch})


@pytest.mark.parametrize("epochs", [1, 2, 7])
def test_every_panel_shows_what_its_title_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, epochs: int
) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(curves, "save_png", lambda figure, path: drawn.append(figure))
    curves.plot_results([result(epoch) for epoch in range(epochs)], tmp_path / "results.png", "a on b")
    panels = drawn[0].axes
    legends = [[text.get_text() for text in panel.get_legend().get_texts()] for panel in panels]
    assert legends == [["training", "validation"]] * 3 + [
        ["AP@.50", "AP@[.50:.95]"],
        ["precision", "recall"],
        ["weights"],
    ]
    assert all(
        len(line.get_xdata()) == epochs
        for panel in panels
        for line in panel.lines
        if line.get_label()[0] != "_"
    )
    assert [text.get_text() for text in panels[3].texts][-1].startswith(f"best: epoch {epochs}")
