"""The native program and where it was built; docs/native.md says how."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOW = "scripts/test builds it; YOLO_EDGE_NATIVE names one elsewhere"

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def _absent(reason: str) -> None:
    """Skips, but in CI, where the native program has to be there, fails."""
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def native_program() -> Path:
    """The program ``yolo-edge-native``, with an engine in it."""
    given = os.environ.get("YOLO_EDGE_NATIVE")
    program = Path(given) if given else ROOT / "build" / "tests" / "cpp" / "native" / "yolo-edge-native"
    if not program.is_file():
        _absent(f"needs the program {program} ({HOW})")
    info = subprocess.run([program, "info", "--json"], capture_output=True, text=True, check=True, cwd="/")
    if "ncnn" not in json.loads(info.stdout)["engines"]:
        _absent(f"needs a program with ncnn in it, {program} has none ({HOW})")
    return program


@pytest.fixture(scope="session")
def native(native_program: Path) -> Command:
    """Runs the program and returns what it did."""

    def run(*args: object, cwd: Path | None = None, timeout: float = 300, **env: str):
        clean = {key: value for key, value in os.environ.items() if key != "YOLO_EDGE_MODEL"}
        return subprocess.run(
            [native_program, *map(str, args)],
            capture_output=True,
            text=True,
            cwd=cwd,
            timeout=timeout,
            env={**clean, **env},
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def build_folder(native_program: Path) -> Path:
    """The CMake build folder that the program lies in."""
    folder = native_program.resolve().parents[2]
    if not (folder / "CMakeCache.txt").is_file():
        _absent(f"needs the CMake build folder of {native_program}; {folder} is none ({HOW})")
    return folder


@pytest.fixture(scope="session")
def pkg_config() -> str:
    """The command of that name."""
    if not (command := shutil.which("pkg-config")):
        _absent("needs pkg-config (Debian package pkgconf)")
    return str(command)


@pytest.fixture(scope="session")
def static_install(build_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prefix where ``cmake --install`` put the build."""
    return _install(build_folder, tmp_path_factory.mktemp("static"))


@pytest.fixture(scope="session")
def shared_install(build_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prefix of a build with BUILD_SHARED_LIBS, made beside the other one; it lasts for the next time."""
    cache = (build_folder / "CMakeCache.txt").read_text().splitlines()
    wanted = ("YOLO_EDGE_NCNN", "YOLO_EDGE_CACHE", "NLOHMANN_JSON", "STB_IMAGE", "CMAKE_GENERATOR:")
    settings = [line for line in cache if line.startswith(wanted) and "ADVANCED" not in line]
    generator = next(line.split("=", 1)[1] for line in settings if line.startswith("CMAKE_GENERATOR:"))
    options = [f"-D{line}" for line in settings if not line.startswith("CMAKE_GENERATOR")]
    folder = build_folder / "shared-library"
    _run("cmake", "-S", ROOT, "-B", folder, "-G", generator, "-DBUILD_SHARED_LIBS=ON", *options)
    _run("cmake", "--build", folder)
    return _install(folder, tmp_path_factory.mktemp("shared"))


def _install(build: Path, prefix: Path) -> Path:
    _run("cmake", "--install", build, "--prefix", prefix)
    return prefix


def _run(*command: object, **env: str) -> str:
    """Runs a command, which has to succeed; returns its standard output."""
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, env={**os.environ, **env}, check=False
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
    return done.stdout
