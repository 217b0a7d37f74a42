"""The fixed list of names that a checkpoint may mention, and how each is read.

Being on the list does not mean that a name is imported: every entry is read as data. Classes of the network
itself come from the registry of `yolo_export.models`.
"""

from __future__ import annotations

from yolo_export.checkpoint.records import clip
from yolo_export.errors import CheckpointError
from yolo_export.models import NETWORKS, known_blocks

__all__ = ["FUNCTIONS", "OTHER_TASKS", "STORAGES", "check_global"]

#: Functions whose call is understood, and the reading of the call (a method of ``reductions``).
FUNCTIONS = {
    "torch._utils._rebuild_tensor": "tensor",
    "torch._utils._rebuild_tensor_v2": "tensor",
    "torch._utils._rebuild_parameter": "parameter",
    "torch._utils._rebuild_parameter_with_state": "parameter",
    "collections.OrderedDict": "mapping",
    "builtins.set": "set",
    "builtins.frozenset": "set",
    "_codecs.encode": "encode",
    "copyreg._reconstructor": "reconstructor",
    "numpy.core.multiarray._reconstruct": "array",
    "numpy.core.multiarray.scalar": "scalar",
}

#: Storage classes: numpy-like name of the element type and its size in bytes.
STORAGES = {
    "torch.DoubleStorage": ("float64", 8),
    "torch.FloatStorage": ("float32", 4),
    "torch.HalfStorage": ("float16", 2),
    "torch.BFloat16Storage": ("bfloat16", 2),
    "torch.LongStorage": ("int64", 8),
    "torch.IntStorage": ("int32", 4),
    "torch.ShortStorage": ("int16", 2),
    "torch.CharStorage": ("int8", 1),
    "torch.ByteStorage": ("uint8", 1),
    "torch.BoolStorage": ("bool", 1),
}

#: Values that occur beside the network: training options, dates, paths. They are kept as records and never
#: used.
_INERT = frozenset(
    {
        "argparse.Namespace",
        "builtins.bytearray",
        "builtins.object",
        "datetime.date",
        "datetime.datetime",
        "datetime.timedelta",
        "datetime.timezone",
        "numpy.dtype",
        "numpy.ndarray",
        "pathlib.Path",
        "pathlib.PosixPath",
        "pathlib.PurePosixPath",
        "pathlib.PureWindowsPath",
        "pathlib.WindowsPath",
        "torch.Size",
        "torch.bfloat16",
        "torch.device",
        "torch.dtype",
        "torch.float16",
        "torch.float32",
        "torch.float64",
        "torch.int64",
        "torch.nn.parameter.Parameter",
    }
)

#: Python 2 names, moved modules: read as today's.
_ALIASES = {
    "__builtin__": "builtins",
    "copy_reg": "copyreg",
    "numpy._core.multiarray": "numpy.core.multiarray",
    "pathlib._local": "pathlib",
}

#: Networks of YOLOv5 that do something else than detect.
OTHER_TASKS = {
    "models.yolo.ClassificationModel": "classification",
    "models.yolo.SegmentationModel": "segmentation",
    "models.yolo.Segment": "segmentation",
    "models.common.Classify": "classification",
    "models.common.Proto": "segmentation",
}


def check_global(module: str, name: str) -> tuple[str, str]:
    """Look a name up in the list.

    Args:
        module: Module as the pickle spells it.
        name: Qualified name inside the module.

    Returns:
        Module and name after aliases.

    Raises:
        CheckpointError: The name is not on the list.
    """
    module = _ALIASES.get(module, module)
    path = f"{module}.{name}"
    if path in OTHER_TASKS:
        raise CheckpointError(
            f"is a {OTHER_TASKS[path]} checkpoint (it holds {path}); only detection can be exported"
        )
    if path in FUNCTIONS or path in STORAGES or path in _INERT or path in NETWORKS or path in known_blocks():
        return module, name
    if module.split(".", 1)[0] == "models":
        known = ", ".join(sorted(block for block in known_blocks() if block.startswith("models.")))
        raise CheckpointError(f"holds the unknown block {clip(path)}; known blocks: {known}")
    raise CheckpointError(
        f"wants {clip(path)}, which is not on the list of what a checkpoint may contain; "
        "nothing was imported or run"
    )
