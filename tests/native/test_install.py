"""``cmake --install``: another project finds the library, builds against it and runs."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from yolo_edge import Detector

CONSUMER = Path(__file__).with_name("consumer")
VERSION = (Path(__file__).parents[2] / "VERSION").read_text().strip()


@pytest.fixture(scope="session", params=["static", "shared"])
def prefix(request: pytest.FixtureRequest) -> Path:
    """Where the library was installed, then moved to: nothing in it may name the old place."""
    installed: Path = request.getfixturevalue(f"{request.param}_install")
    moved = installed.with_name(installed.name + "-moved")
    shutil.copytree(installed, moved, symlinks=True)
    return moved


def _run(*command: object, **env: str) -> str:
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, env={**os.environ, **env}, check=False
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _expected(bundle: Path) -> list[list[float]]:
    """What the consumer's programs have to print, by the Python runtime."""
    y, x, c = np.mgrid[0:90, 0:160, 0:3]
    image = (x * (c + 1) + y * 3).astype(np.uint8)
    with Detector(bundle, engine="ncnn", threads=1) as detector:
        found = detector.detect(image, conf=0.05, image_channels="rgb")
    assert len(found) > 5
    return np.column_stack([found.class_id, found.confidence, found.xyxy]).tolist()


def _numbers(text: str) -> list[list[float]]:
    return [list(map(float, line.split())) for line in text.splitlines()]


def _library_path(prefix: Path) -> dict[str, str]:
    return {"LD_LIBRARY_PATH": str(next(prefix.glob("**/libyolo_edge.*")).parent)}


def test_find_package(prefix: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    _run(
        "cmake", "-S", CONSUMER, "-B", tmp_path, f"-DCMAKE_PREFIX_PATH={prefix}", "-DCMAKE_BUILD_TYPE=Release"
    )
    _run("cmake", "--build", tmp_path)
    expected = _expected(tiny_bundle)
    for program in ("detect_cpp", "detect_c"):
        printed = _numbers(_run(tmp_path / program, tiny_bundle))
        assert np.allclose(printed, expected, atol=0.006)
    assert _run(tmp_path / "kernels").startswith("384x640 on ")


def test_find_package_refuses_another_version(prefix: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.20)\nproject(x CXX)\nfind_package(yolo_edge 99.0 REQUIRED)\n"
    )
    done = subprocess.run(
        ["cmake", "-S", source, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert f"version: {VERSION}" in done.stderr


@pytest.mark.parametrize(("compiler", "source"), [("g++", "detect.cpp"), ("gcc", "detect.c")])
def test_pkg_config(
    prefix: Path, pkg_config: str, tiny_bundle: Path, tmp_path: Path, compiler: str, source: str
) -> None:
    pc = next(prefix.glob("**/yolo_edge.pc"))
    env = {"PKG_CONFIG_PATH": str(pc.parent)}
    assert _run(pkg_config, "--modversion", "yolo_edge", **env).strip() == VERSION
    flags = _run(pkg_config, "--cflags", "--libs", "yolo_edge", **env).split()
    assert not any(flag.startswith(("-W", "-std", "-O")) for flag in flags)
    standard = "-std=c++17" if compiler == "g++" else "-std=c99"
    program = tmp_path / "detect"
    _run(compiler, standard, CONSUMER / source, "-o", program, *flags)
    printed = _numbers(_run(program, tiny_bundle, **_library_path(prefix)))
    assert np.allclose(printed, _expected(tiny_bundle), atol=0.006)


def test_the_installed_program_runs(prefix: Path, tiny_bundle: Path, scenes: Path) -> None:
    program = prefix / "bin" / "yolo-edge-native"
    assert _run(program, "--version") == f"yolo-edge-native {VERSION}\n"
    assert len(_run(program, "run", "--model", tiny_bundle, "--threads", 1, scenes).splitlines()) == 3


def test_nothing_names_the_build(prefix: Path, build_folder: Path) -> None:
    for path in [*prefix.glob("**/*.cmake"), *prefix.glob("**/*.pc"), *prefix.glob("**/*.h")]:
        text = path.read_text()
        for place in (str(build_folder), str(Path(__file__).parents[2]), "-Werror"):
            assert place not in text, path


def test_a_shared_library_shows_only_its_own_names(shared_install: Path) -> None:
    library = next(shared_install.glob("**/libyolo_edge.so")).resolve()
    lines = _run("nm", "-DC", "--defined-only", library).splitlines()
    names = [line.split(maxsplit=2)[2] for line in lines]
    prefixes = ("yolo_edge::", "yolo_edge_")
    kinds = ("", "typeinfo for ", "typeinfo name for ", "vtable for ")
    allowed = tuple(kind + prefix for kind in kinds for prefix in prefixes)
    assert [name for name in names if not name.startswith(allowed)] == []
    for wanted in (
        "yolo_edge_detect",
        "yolo_edge::Detector::close()",
        "yolo_edge::CpuSet::contains(int) const",
    ):
        assert wanted in names
    needed = _run("readelf", "-d", library)
    assert f"Library soname: [libyolo_edge.so.{VERSION.rsplit('.', 1)[0]}]" in needed
