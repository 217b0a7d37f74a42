"""The cases of tests/data/bundle_cases.json, which say what they mean; the C++ reader has the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from yolo_edge.bundle import Bundle, load_bundle
from yolo_edge.errors import BundleError

CORPUS = json.loads((Path(__file__).parents[1] / "data" / "bundle_cases.json").read_text(encoding="utf-8"))


def _resolve(document: Any, pointer: str) -> tuple[Any, Any]:
    """The list or object that a JSON pointer leads into, and the index or key there."""
    *parents, last = pointer.split("/")[1:]
    for key in parents:
        document = document[int(key) if isinstance(document, list) else key]
    return document, int(last) if isinstance(document, list) else last


def _content(case: dict[str, Any]) -> bytes:
    """The bytes of the case's bundle.json."""
    times = case.get("times", 1)
    if "text" in case:
        return str(case["text"]).encode() * times
    if "hex" in case:
        return bytes.fromhex(case["hex"])
    manifest = json.loads(json.dumps(CORPUS["manifest"]))
    for pointer in case.get("remove", []):
        place, key = _resolve(manifest, pointer)
        del place[key]
    for pointer, value in case.get("set", {}).items():
        place, key = _resolve(manifest, pointer)
        if isinstance(place, list) and key == len(place):
            place.append(value)
        else:
            place[key] = value
    content = json.dumps(manifest, ensure_ascii=False).encode()
    put = bytes.fromhex(case.get("put_hex", "")) or str(case.get("put", "")).encode()
    if put:
        assert content.count(b'"@"') == 1
        content = content.replace(b'"@"', put * times)
    content = bytes.fromhex(case.get("before_hex", "")) + content
    content += case.get("after", "").encode() + bytes.fromhex(case.get("after_hex", ""))
    return content.ljust(case.get("pad_to", 0))


def _write(root: Path, case: dict[str, Any]) -> Path:
    for name in CORPUS["files"]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"weights")
    for name, place in CORPUS["links"].items():
        (root / name).symlink_to(place)
    (root / "case.edge" / "bundle.json").write_bytes(_content(case))
    return root / "case.edge"


def _facts(bundle: Bundle) -> dict[str, Any]:
    """What ``reads`` may ask for, of the first target."""
    target = bundle.targets[0]
    facts = {
        "names": bundle.names,
        "channels": bundle.input.channels,
        "letterbox": bundle.input.letterbox,
        "pad_value": bundle.input.pad_value,
        "mean": bundle.input.mean,
        "scale": bundle.input.scale,
        "size_hw": bundle.input.size_hw,
        "stride": bundle.input.stride,
        "heads": [(head.stride, head.anchors_px) for head in bundle.heads],
        "shapes": () if target.input.shapes == "dynamic" else target.input.shapes,
        "outputs": [
            (output.name, output.head, output.layout, output.activation) for output in target.outputs_by_head
        ],
        "files": target.files,
    }
    facts = json.loads(json.dumps(facts))  # tuples become lists
    assert isinstance(facts, dict)
    return facts


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CORPUS["cases"]])
def test_case(tmp_path: Path, case: dict[str, Any]) -> None:
    folder = _write(tmp_path, case)

    def read() -> Bundle:
        bundle = load_bundle(folder)
        for target in bundle.targets:
            bundle.open_files(target)
        return bundle

    if "reads" in case:
        facts = _facts(read())
        assert {key: facts[key] for key in case["reads"]} == case["reads"]
        return
    with pytest.raises(BundleError) as caught:
        read()
    message = str(caught.value)
    assert message.startswith(str(folder))
    if "faults" in case:
        assert message == f"{folder / 'bundle.json'}: " + "; ".join(case["faults"])
    else:
        assert case["error"] in message
