"""Builds the C++ core with CMake; everything else is declared in pyproject.toml."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import nlohmann_json
import pybind11
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent


class CMakeBuild(build_ext):
    """Configures and builds one CMake tree and leaves the module where setuptools expects it."""

    def build_extension(self, ext: Extension) -> None:
        """Builds the module; CMAKE_TOOLCHAIN_FILE and CMAKE_ARGS of the environment are passed on."""
        module = Path(self.get_ext_fullpath(ext.name)).resolve()
        build = Path(self.build_temp).resolve()
        build.mkdir(parents=True, exist_ok=True)
        configure = [
            "cmake",
            "--fresh",  # what an earlier isolated build found, Ninja for one, is gone
            str(ROOT),
            "-GNinja",
            "-DCMAKE_BUILD_TYPE=Release",
            "-DYOLO_EDGE_BUILD_PYTHON=ON",
            f"-DPython_EXECUTABLE={sys.executable}",
            f"-DYOLO_EDGE_PYTHON_OUTPUT_DIR={module.parent}",
            # In an isolated build only this process sees the build requirements, CMake would not.
            f"-Dpybind11_DIR={pybind11.get_cmake_dir()}",
            f"-DNLOHMANN_JSON_INCLUDE_DIR={Path(nlohmann_json.__file__).parent / 'include'}",
            *shlex.split(os.environ.get("CMAKE_ARGS", "")),
        ]
        toolchain = os.environ.get("CMAKE_TOOLCHAIN_FILE")
        if toolchain:
            configure.append(f"-DCMAKE_TOOLCHAIN_FILE={toolchain}")
        subprocess.run(configure, cwd=build, check=True)
        subprocess.run(["cmake", "--build", "."], cwd=build, check=True)


setup(ext_modules=[Extension("yolo_edge._core", sources=[])], cmdclass={"build_ext": CMakeBuild})
