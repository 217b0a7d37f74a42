import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from yolo_edge import _core

ROOT = Path(__file__).resolve().parents[2]


def test_the_version_is_the_projects():
    assert _core.__version__ == (ROOT / "VERSION").read_text().strip()


@pytest.mark.parametrize(
    ("function", "defaults"),
    [
        pytest.param(
            _core.letterbox_geometry, ["mode: str = 'rect'", "scale_up: bool = True"], id="geometry"
        ),
        pytest.param(
            _core.generate_proposals,
            [" = 0.25", "multi_label: bool = False", "None = None"],
            id="proposals",
        ),
        pytest.param(_core.sort_descending, [" = 30000"], id="sort"),
        pytest.param(_core.nms_sorted, ["class_agnostic: bool = False", " = 0.44999", " = 300)"], id="nms"),
        pytest.param(
            _core.Postprocessor.run,
            [
                " = 0.25",
                " = 0.44999",
                "class_agnostic: bool = False",
                "multi_label: bool = False",
                " = 300",
                " = 30000",
            ],
            id="postprocessor",
        ),
        pytest.param(_core.Letterbox.__init__, ["= 'rgb'", "= (0.0, 0.0, 0.0)", " = 114"], id="letterbox"),
    ],
)
def test_the_defaults_are_the_designs(function, defaults):
    signature = function.__doc__.splitlines()[0]
    assert "*," in signature, "options are keyword-only"
    for default in defaults:
        assert default in signature


def test_the_stub_describes_the_module(tmp_path):
    pytest.importorskip("mypy")
    package = tmp_path / "yolo_edge"
    package.mkdir()
    (package / "__init__.py").touch()
    shutil.copy(importlib.util.find_spec("yolo_edge._core").origin, package)
    shutil.copy(ROOT / "runtime" / "yolo_edge" / "_core.pyi", package)
    # pybind11's metaclass and the constructor of a class that has none cannot be written in a stub.
    allowed = tmp_path / "allowed"
    allowed.write_text(
        "yolo_edge._core.(CpuSet|CpuTier|CpuTopology|Letterbox|LetterboxGeometry|NativeDetector|NativeJob|"
        "Postprocessor)(.__init__)?\n"
    )
    command = [sys.executable, "-m", "mypy.stubtest", "yolo_edge._core", "--allowlist", str(allowed)]
    run = subprocess.run(
        [*command, "--ignore-unused-allowlist"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_simd_levels_are_named_and_unknown_ones_refused():
    levels = _core.simd_levels()
    assert levels[0] == "scalar"
    assert set(levels) <= {"scalar", "neon", "avx2"}
    for build in (
        lambda: _core.Letterbox(simd="sse9"),
        lambda: _core.Postprocessor([(8, [(1, 2)])], simd="sse9"),
    ):
        with pytest.raises(ValueError, match="simd is 'sse9'; this machine runs 'scalar'"):
            build()
