from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from manifests import manifest, write_bundle

from yolo_edge.bundle import load_bundle
from yolo_edge.errors import BundleError


def test_reads_every_field(tmp_path: Path) -> None:
    bundle = load_bundle(write_bundle(tmp_path / "a.edge"))
    assert bundle.names == ("person", "car")
    assert bundle.input.size_hw == (64, 64)
    assert bundle.input.scale == (1 / 255,) * 3
    assert [head.stride for head in bundle.heads] == [8, 32]
    assert bundle.heads[0].anchors_px == ((10, 13), (16, 30))
    target = bundle.targets[0]
    assert target.input.shapes == "dynamic"
    assert [output.name for output in target.outputs] == ["head_0", "head_1"]
    assert bundle.open_files(target) == {"model": tmp_path / "a.edge" / "model.onnx"}


def test_fixed_shapes_are_a_list_of_pairs(tmp_path: Path) -> None:
    content = manifest()
    content["targets"][0]["input"]["shapes"] = [[64, 64], [32, 64]]
    bundle = load_bundle(write_bundle(tmp_path / "a.edge", content))
    assert bundle.targets[0].input.shapes == ((64, 64), (32, 64))


ROWS = {"name": "output0", "layout": "n,no", "activation": "sigmoid", "dtype": "float32"}


def test_one_output_may_hold_all_heads(tmp_path: Path) -> None:
    content = manifest()
    content["targets"][0]["outputs"] = [ROWS]
    bundle = load_bundle(write_bundle(tmp_path / "a.edge", content))
    assert bundle.targets[0].outputs[0].head is None
    assert bundle.targets[0].outputs[0].dimensions == 2


def test_decoded_outputs_need_no_heads(tmp_path: Path) -> None:
    content = manifest()
    content["heads"] = []
    content["targets"][0]["outputs"] = [{**ROWS, "activation": "decoded"}]
    assert load_bundle(write_bundle(tmp_path / "a.edge", content)).heads == ()
    content["targets"][0]["outputs"] = [ROWS]
    with pytest.raises(BundleError, match=r"heads is \[\], not a list of at least 1"):
        load_bundle(write_bundle(tmp_path / "b.edge", content))


def test_models_of_other_tools_are_told_from_bundles(tmp_path: Path) -> None:
    model = tmp_path / "best.onnx"
    model.write_bytes(b"model")
    with pytest.raises(
        BundleError, match=r"another tool's model, not a bundle; .*: yolo-edge import .*best\.onnx"
    ):
        load_bundle(model)


def _set(*path: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: Any) -> None:
        for key in path[:-1]:
            content = content[key]
        content[path[-1]] = value

    return change


def _drop(*path: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: Any) -> None:
        for key in path[:-1]:
            content = content[key]
        del content[path[-1]]

    return change


@pytest.mark.parametrize(
    ("change", "text"),
    [
        pytest.param(_set("schema", value=2), "schema 2 is newer than 1", id="newer schema"),
        pytest.param(_set("schema", value="1"), "schema is '1', not a whole number", id="schema text"),
        pytest.param(
            _set("requires", value=["masks"]), "requires masks, which this version", id="requirement"
        ),
        pytest.param(_drop("model"), "model is missing", id="no model"),
        pytest.param(_set("model", "names", value=["a\x1b[2J"]), "holds control characters", id="escapes"),
        pytest.param(_drop("model", "names"), "model.names is missing", id="no names"),
        pytest.param(_set("model", "names", value=[]), "model.names is empty", id="empty names"),
        pytest.param(_set("model", "names", value=["a", 3]), "not a list of strings", id="names not text"),
        pytest.param(
            _set("model", "task", value="segment"), "task is 'segment', not one of detect", id="task"
        ),
        pytest.param(_drop("input", "pad_value"), "input.pad_value is missing", id="no pad value"),
        pytest.param(_set("input", "pad_value", value=300), "from 0 to 255", id="pad value"),
        pytest.param(_set("input", "mean", value=[0, 0]), "input.mean is [0, 0], not 3 numbers", id="mean"),
        pytest.param(_set("input", "scale", value=[1, 1, 1e999]), "not 3 numbers", id="infinite scale"),
        pytest.param(_set("input", "size_hw", value=[100, 64]), "not a multiple of input.stride", id="size"),
        pytest.param(_set("input", "channels", value="gray"), "not one of rgb, bgr", id="channels"),
        pytest.param(_set("heads", value=[]), "heads is [], not a list of at least 1", id="no heads"),
        pytest.param(
            _set("heads", 0, "anchors_px", value=[[1]]), "heads[0].anchors_px is [[1]]", id="anchors"
        ),
        pytest.param(_set("heads", 0, "anchors_px", value=[[1, -2]]), "anchors_px is", id="negative anchor"),
        pytest.param(
            _set("heads", 0, "stride", value=7), "not a multiple of every head's stride", id="stride"
        ),
        pytest.param(_set("targets", value=[]), "targets is []", id="no targets"),
        pytest.param(_drop("targets", 0, "compute"), "targets[0].compute is missing", id="no compute"),
        pytest.param(_drop("targets", 0, "sha256"), "targets[0].sha256 is missing", id="no hashes"),
        pytest.param(_set("targets", 0, "outputs", 0, "head", value=2), "from 0 to 1", id="head number"),
        pytest.param(
            _set("targets", 0, "outputs", 0, "head", value=1),
            "must hold each of the 2 heads once",
            id="twice",
        ),
        pytest.param(
            _set("targets", 0, "outputs", 0, "layout", value="n,no"),
            "must be the only one",
            id="rows and more",
        ),
        pytest.param(
            _set("targets", 0, "outputs", value=[{**ROWS, "head": 0}]), "holds all heads", id="head of rows"
        ),
        pytest.param(
            _set("targets", 0, "outputs", 0, "activation", value="decoded"),
            "is decoded, which layout c,h,w cannot be",
            id="decoded planes",
        ),
        pytest.param(
            _set("targets", 0, "outputs", 0, "activation", value="relu"), "one of none", id="activation"
        ),
        pytest.param(_set("targets", 0, "input", "shapes", value="any"), '"dynamic" or a list', id="shapes"),
        pytest.param(
            _set("targets", 0, "files", value={"model": "other.onnx"}),
            "names 'other.onnx', which is missing from the bundle",
            id="missing file",
        ),
        pytest.param(
            _set("targets", 0, "files", value={"model": "../outside.onnx"}),
            "outside the bundle",
            id="path up",
        ),
        pytest.param(
            _set("targets", 0, "files", value={"model": "/etc/passwd"}),
            "outside the bundle",
            id="absolute path",
        ),
        pytest.param(
            _set("targets", 0, "files", value={"model": "link.onnx"}), "outside the bundle", id="link out"
        ),
    ],
)
def test_refuses(tmp_path: Path, change: Callable[[dict[str, Any]], None], text: str) -> None:
    content = manifest()
    change(content)
    folder = write_bundle(tmp_path / "a.edge", content)
    (tmp_path / "outside.onnx").write_bytes(b"x")
    (folder / "link.onnx").symlink_to(tmp_path / "outside.onnx")
    with pytest.raises(BundleError) as caught:
        load_bundle(folder)
    assert text in str(caught.value)
    assert str(folder) in str(caught.value)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    content = manifest()
    del content["input"]["mean"]
    content["heads"][1]["stride"] = 0
    content["targets"][0]["engine"] = ""
    with pytest.raises(BundleError) as caught:
        load_bundle(write_bundle(tmp_path / "a.edge", content))
    for part in ("input.mean is missing", "heads[1].stride is 0", "targets[0].engine is ''"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "is not valid JSON", id="empty file"),
        pytest.param("{", "is not valid JSON", id="cut off"),
        pytest.param("[" * 100_000, "is not valid JSON", id="nested bomb"),
        pytest.param("[]", "holds a list, not an object", id="list"),
    ],
)
def test_refuses_what_is_no_manifest(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(BundleError, match=expected):
        load_bundle(write_bundle(tmp_path / "a.edge", text))


def test_refuses_what_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no such bundle"):
        load_bundle(tmp_path / "a.edge")
    (tmp_path / "best.pt").write_bytes(b"x")
    with pytest.raises(BundleError, match="is not a bundle, which is a folder"):
        load_bundle(tmp_path / "best.pt")
    (tmp_path / "b.edge").mkdir()
    with pytest.raises(BundleError, match=r"has no bundle\.json"):
        load_bundle(tmp_path / "b.edge")


def test_a_changed_file_is_not_opened(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "a.edge")
    (folder / "model.onnx").write_bytes(b"other")
    bundle = load_bundle(folder)
    with pytest.raises(BundleError, match="the content does not match the bundle"):
        bundle.open_files(bundle.targets[0])
