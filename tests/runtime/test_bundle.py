"""The reader's own ways; what it accepts and refuses is in test_bundle_corpus.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from manifests import manifest, write_bundle

from yolo_edge.bundle import load_bundle
from yolo_edge.bundle_fields import holds_control_characters
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
    with pytest.raises(BundleError, match=r"heads is \[\], not a list of 1 to 64"):
        load_bundle(write_bundle(tmp_path / "b.edge", content))


def test_models_of_other_tools_are_told_from_bundles(tmp_path: Path) -> None:
    model = tmp_path / "best.onnx"
    model.write_bytes(b"model")
    with pytest.raises(
        BundleError, match=r"another tool's model, not a bundle; .*: yolo-edge import .*best\.onnx"
    ):
        load_bundle(model)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    content = manifest()
    del content["input"]["mean"]
    content["heads"][1]["stride"] = 0
    content["targets"][0]["engine"] = ""
    with pytest.raises(BundleError) as caught:
        load_bundle(write_bundle(tmp_path / "a.edge", content))
    for part in ("input.mean is missing", "heads[1].stride is 0", 'targets[0].engine is ""'):
        assert part in str(caught.value)


def test_a_manifest_is_a_file_of_bounded_size(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "a.edge")
    (folder / "bundle.json").unlink()
    os.mkfifo(folder / "bundle.json")  # reading it would wait for ever
    with pytest.raises(BundleError, match=r"has no bundle\.json"):
        load_bundle(folder)
    (folder / "bundle.json").unlink()
    with (folder / "bundle.json").open("wb") as file:
        file.truncate(1 << 40)  # a hole, which takes no room on the disk
    with pytest.raises(BundleError, match="is larger than 16777216 bytes"):
        load_bundle(folder)


@pytest.mark.parametrize(
    "character",
    [
        *(pytest.param(chr(code), id=f"U+{code:04X}") for code in (0, 0x1F, 0x7F, 0x80, 0x9F, 0x61C)),
        *(pytest.param(chr(code), id=f"U+{code:04X}") for code in (0x200E, 0x200F, 0x2028, 0x202E, 0x2060)),
        *(pytest.param(chr(code), id=f"U+{code:04X}") for code in (0x206F, 0xFEFF, 0xFFF9, 0xFFFB, 0xE007F)),
    ],
)
def test_what_counts_as_a_control_character_is_not_printable(character: str) -> None:
    assert holds_control_characters("a" + character)
    assert not character.isprintable(), "whoever writes bundles refuses whatever is not printable"


def test_refuses_what_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no such bundle"):
        load_bundle(tmp_path / "a.edge")
    (tmp_path / "best.pt").write_bytes(b"x")
    with pytest.raises(BundleError, match="is not a bundle, which is a folder"):
        load_bundle(tmp_path / "best.pt")
    with pytest.raises(BundleError, match="cannot be read: File name too long"):
        load_bundle("x" * 300)
    (tmp_path / "b.edge").mkdir()
    with pytest.raises(BundleError, match=r"has no bundle\.json"):
        load_bundle(tmp_path / "b.edge")


def test_a_changed_file_is_not_opened(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "a.edge")
    (folder / "model.onnx").write_bytes(b"other")
    bundle = load_bundle(folder)
    with pytest.raises(BundleError, match="the content does not match the bundle"):
        bundle.open_files(bundle.targets[0])
