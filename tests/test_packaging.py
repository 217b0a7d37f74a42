"""The package as users install it: a wheel, an editable install, and one version everywhere."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
VERSION = (ROOT / "VERSION").read_text().strip()
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def _run(*command: object, cwd: Path | None = None, **variables: str) -> str:
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | variables
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False, env=clean
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, without what git ignores, so that building does not touch the checkout."""
    folder = tmp_path_factory.mktemp("source")
    for name in _run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that scripts/test made of these sources a moment ago, or a new one."""
    if made := os.environ.get("YOLO_EDGE_WHEEL"):
        return Path(made)
    folder = tmp_path_factory.mktemp("wheel")
    _run(*PIP, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, source)
    (path,) = folder.glob("*.whl")
    return path


def _fresh_environment(folder: Path) -> Path:
    """A virtual environment that sees the packages of this one, but not yolo-edge; returns its python."""
    _run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin" / "python"
    site = Path(_run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if "yolo_e" not in path.name and not (site / path.name).exists():
            (site / path.name).symlink_to(path)
    return python


@pytest.mark.parametrize(
    "editable",
    [pytest.param(False, id="wheel"), pytest.param(True, id="editable", marks=pytest.mark.long)],
)
def test_install(
    source: Path, wheel: Path, tmp_path: Path, tiny_bundle: Path, scenes: Path, editable: bool
) -> None:
    python = _fresh_environment(tmp_path / "venv")
    what = ["-e", source] if editable else [wheel]
    _run(
        *[python, "-m", "pip"],
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--ignore-installed",
        *what,
        CMAKE_ARGS="-DYOLO_EDGE_BUILD_RUNTIME=OFF -DCMAKE_BUILD_TYPE=Debug",  # for speed; editable only
    )
    where = _run(
        python, "-c", "import yolo_edge, yolo_export; print(yolo_edge.__file__, yolo_export.__file__)"
    )
    assert all(str(source if editable else tmp_path) in path for path in where.split())
    command = tmp_path / "venv" / "bin" / "yolo-edge"
    assert _run(command, "--version") == f"yolo-edge {VERSION}\n"
    assert _run(command, "run", "--model", tiny_bundle, scenes).count("\n") == 3
    assert "usage: yolo-export" in _run(tmp_path / "venv" / "bin" / "yolo-export", "--help")


def test_wheel_holds_what_it_should(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert any(re.fullmatch(r"yolo_edge/_core\..*\.so", name) for name in names)
    for name in (
        "yolo_edge/py.typed",
        "yolo_edge/_core.pyi",
        "yolo_edge/engines/ncnn.py",
        "yolo_edge/models/README.md",
        "yolo_edge/models/markers.edge/bundle.json",
        "yolo_export/cli.py",
    ):
        assert name in names
    assert f"yolo_edge-{VERSION}.dist-info/licenses/LICENSE" in names
    assert [name for name in names if name.startswith(("tests/", "benchmarks/"))] == []


# Megabytes of a wheel with ncnn and the default model inside; scripts/test-aarch64-python holds the
# cross-built one to its figure.
WHEEL_BUDGET_MB = {"x86_64": 7.5, "aarch64": 6.0}


def test_wheel_size(wheel: Path) -> None:
    """Within the budget, and no larger than the README says."""
    machine = platform.machine()
    size_mb = wheel.stat().st_size / 1e6
    assert size_mb < WHEEL_BUDGET_MB.get(machine, max(WHEEL_BUDGET_MB.values()))
    readme = (ROOT / "README.md").read_text()
    stated = dict(re.findall(r"^\| wheel for (\w+) *\| ([\d.]+) MB", readme, re.MULTILINE))
    assert stated.keys() == WHEEL_BUDGET_MB.keys()
    for name, budget_mb in WHEEL_BUDGET_MB.items():
        assert float(stated[name]) < budget_mb
    if machine in stated:
        assert size_mb < 1.1 * float(stated[machine])


def test_one_version(wheel: Path) -> None:
    import yolo_edge

    assert yolo_edge.__version__ == VERSION
    assert wheel.name.split("-")[1] == VERSION


def test_extras(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    metadata = archive.read(f"yolo_edge-{VERSION}.dist-info/METADATA").decode()
    for extra in ("export", "onnxruntime", "openvino", "mnn", "supervision", "val", "dev"):
        assert f"Provides-Extra: {extra}" in metadata
    base = [
        line for line in metadata.splitlines() if line.startswith("Requires-Dist:") and "extra ==" not in line
    ]
    assert not any("torch" in line for line in base)
