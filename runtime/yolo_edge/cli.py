"""The command ``yolo-edge``. Nothing heavy is imported before a command is known to need it."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from yolo_edge.command_line import explain, interrupted_code, run_command
from yolo_edge.errors import (
    BundleError,
    EngineError,
    MissingExtraError,
    ProfileError,
    SinkError,
    SourceError,
)

_COMMANDS = {
    "run": "detect objects in images, folders, videos and cameras",
    "val": "evaluate a bundle on a labelled dataset: average precision and recall",
    "bench": "measure the installed engines side by side: time by stage, frames per second",
    "tune": "find the fastest engine, threads and CPUs of this machine for a bundle, for run to use",
    "check": "test a bundle on this machine against the checkpoint's own results",
    "import": "make a bundle of an ONNX or ncnn file that another tool exported",
    "info": "show this machine, the installed engines and what a bundle holds",
}
"""Commands, each a module of the same name in ``yolo_edge.commands``, and what the overview says of them."""

_MODULES = {"import": "import_model"}
"""Commands whose name cannot be a module's."""

_EPILOG = """\
examples:
  yolo-edge run cam0                              the only bundle of this folder on a camera
  yolo-edge run --model best.edge street.mp4 --save out
  yolo-edge run images/ --jsonl - | jq .detections
  yolo-edge val --model best.edge dataset.yaml    average precision on a labelled dataset
  yolo-edge tune best.edge                        what is fastest here? run uses it from then on
  yolo-edge check best.edge                       does it compute on this machine what the checkpoint did?
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code: 0 fine, 1 failed, 2 usage, 130 Ctrl-C, 143 SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="yolo-edge",
        description="Runs YOLOv5 and YOLOv5-Lite bundles, made by yolo-export, on images, video and cameras.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    given = list(sys.argv[1:] if argv is None else argv)
    for name, summary in _COMMANDS.items():
        command = commands.add_parser(
            name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if name in given:  # the others' flags would only cost the time to import them
            module = importlib.import_module(f"yolo_edge.commands.{_MODULES.get(name, name)}")
            command.description = module.__doc__
            module.add_arguments(command)
            command.set_defaults(execute=module.execute, parser=command)
    args = parser.parse_args(given)
    try:
        return run_command(lambda: int(args.execute(args)))
    except (
        BundleError,
        EngineError,
        MissingExtraError,
        ProfileError,
        SinkError,
        SourceError,
        MemoryError,
        OSError,
    ) as error:
        if getattr(args, "verbose", False):
            import traceback

            traceback.print_exc()
        sys.stderr.write(f"yolo-edge {args.command}: error: {explain(error)}\n")
        return 1
    except KeyboardInterrupt as error:
        return interrupted_code(error)


class _Version(argparse.Action):
    """Prints the version, which is compiled into the core, only when asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from yolo_edge import __version__

        print(f"yolo-edge {__version__}")  # noqa: T201
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
