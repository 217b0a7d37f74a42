"""The fixed list of names that a checkpoint may mention, and how each is read.

Being on the list does not mean that a name is imported: every entry is read as data. Classes of the network
itself come from the registry of `yolo_export.models`.
"""

from __future__ import annotations

from functools import lru_cache

from yolo_export.checkpoint.records import clip
from yolo_export.errors import CheckpointError
from yolo_export.models import NETWORKS, known_blocks

__all__ = [
    "DTYPES",
    "ENSEMBLE",
    "FUNCTIONS",
    "OTHER_TASKS",
    "STORAGES",
    "UNTYPED_STORAGE",
    "WRAPPERS",
    "check_global",
    "foreign_name",
]

#: Functions whose call is understood, and the reading of the call (a method of ``reductions``).
FUNCTIONS = {
    "torch._utils._rebuild_tensor": "tensor",
    "torch._utils._rebuild_tensor_v2": "tensor",
    "torch._utils._rebuild_tensor_v3": "typed_tensor",
    "torch._tensor._rebuild_from_type_v2": "from_type",
    "torch._utils._rebuild_parameter": "parameter",
    "torch._utils._rebuild_parameter_with_state": "parameter",
    "collections.OrderedDict": "mapping",
    "collections.defaultdict": "default_mapping",
    # Only a method of a module, which is how a replaced ``forward`` is saved: see the reading.
    "builtins.getattr": "bound_method",
    "builtins.set": "set",
    "builtins.frozenset": "set",
    "builtins.range": "range",
    "builtins.xrange": "range",  # Its name in protocol 2, which torch.save writes.
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
    # What torch 2 writes for a tensor of a type without a storage class of its own: plain bytes.
    "torch.storage.UntypedStorage": ("uint8", 1),
}
UNTYPED_STORAGE = "torch.storage.UntypedStorage"

#: Element types by name, for tensors over plain bytes: the same pairs as in `STORAGES`.
DTYPES = {f"torch.{name}": (name, size) for path, (name, size) in STORAGES.items() if path != UNTYPED_STORAGE}

#: Training wrappers around a network; the network is their child ``module``.
WRAPPERS = (
    "torch.nn.parallel.data_parallel.DataParallel",
    "torch.nn.parallel.distributed.DistributedDataParallel",
)

#: A list of networks whose boxes are put together; one of a single network is that network.
ENSEMBLE = "models.experimental.Ensemble"

#: Values that occur beside the network: training options, dates, paths. They are kept as records and never
#: used.
_INERT = frozenset(
    {
        *DTYPES,
        *WRAPPERS,
        ENSEMBLE,
        "argparse.Namespace",
        "builtins.bytearray",
        "builtins.bool",
        "builtins.dict",
        "builtins.float",
        "builtins.int",
        "builtins.list",
        "builtins.object",
        "builtins.str",
        "datetime.date",
        "datetime.datetime",
        "datetime.timedelta",
        "datetime.timezone",
        # What YOLOv5-Lite's MBConvBlock drops during training only.
        "models.common.drop_connect",
        "numpy.dtype",
        "numpy.ndarray",
        "pathlib.Path",
        "pathlib.PosixPath",
        "pathlib.PurePosixPath",
        "pathlib.PureWindowsPath",
        "pathlib.WindowsPath",
        "torch.Size",
        "torch.Tensor",
        "torch.amp.grad_scaler.GradScaler",
        "torch.amp.grad_scaler.OptState",
        "torch.amp.grad_scaler._refresh_per_optimizer_state",
        "torch.cuda.amp.grad_scaler.GradScaler",
        "torch.cuda.amp.grad_scaler.OptState",
        "torch.cuda.amp.grad_scaler._refresh_per_optimizer_state",
        "torch.device",
        "torch.distributed.algorithms.join._JoinConfig",
        "torch.dtype",
        "torch.nn.parallel.distributed._BucketCapacityConfig",
        "torch.nn.parameter.Parameter",
        "torch.optim.adam.Adam",
        "torch.optim.adamw.AdamW",
        "torch.optim.lr_scheduler.CosineAnnealingLR",
        "torch.optim.lr_scheduler.LambdaLR",
        "torch.optim.lr_scheduler.OneCycleLR",
        "torch.optim.lr_scheduler.StepLR",
        "torch.optim.rmsprop.RMSprop",
        "torch.optim.sgd.SGD",
        "torch.version.TorchVersion",
        "torch.torch_version.TorchVersion",
    }
)

#: Python 2 names, moved modules: read as today's.
_ALIASES = {
    "__builtin__": "builtins",
    "copy_reg": "copyreg",
    "numpy._core.multiarray": "numpy.core.multiarray",
    "pathlib._local": "pathlib",
}

#: Classes that are another one as soon as training is over.
_CLASS_ALIASES = {
    "torch.nn.modules.batchnorm.SyncBatchNorm": ("torch.nn.modules.batchnorm", "BatchNorm2d"),
}

#: Names that occur in honest checkpoints of a kind that cannot be read, and what to do instead.
_UNSUPPORTED = {
    "torch._utils._rebuild_qtensor": "a quantised tensor; give the checkpoint from before quantisation",
    "torch._utils._rebuild_sparse_tensor": "a sparse tensor; save the model with dense weights",
    "torch._utils._rebuild_sparse_csr_tensor": "a sparse tensor; save the model with dense weights",
    "torch._utils._rebuild_meta_tensor_no_storage": "a tensor without numbers (device meta); save the model "
    "with its weights",
    "torch.jit._script.RecursiveScriptModule": "a TorchScript module; give the file that training saved",
}
#: Packages of other networks, by the start of the path.
_OTHER_PACKAGES = {
    "ultralytics": "an Ultralytics checkpoint (YOLOv8 or later, or a YOLOv5u), whose heads have no anchors; "
    "only checkpoints of the YOLOv5 (v1.0 to v7.0) and YOLOv5-Lite repositories are read",
    "torch.ao": "a network quantised by torch; give the checkpoint from before quantisation",
    "torch.nn.quantized": "a network quantised by torch; give the checkpoint from before quantisation",
    "torch.quantization": "a network quantised by torch; give the checkpoint from before quantisation",
}

#: Networks of YOLOv5 that do something else than detect.
OTHER_TASKS = {
    "models.yolo.ClassificationModel": "classification",
    "models.yolo.SegmentationModel": "segmentation",
    "models.yolo.Segment": "segmentation",
    "models.common.Classify": "classification",
    "models.common.Proto": "segmentation",
}


_POOLS = "by its publication it pools a square of the map's width, in later code the whole map"
_CONTEXT = "neither its record nor the paper tells where it runs its context block"
_ATTENTION = "published code under this name differs in the order of its two pooled maps"
#: Blocks that occur in checkpoints, but whose record leaves more than one reading.
_AMBIGUOUS = {
    "SEBlock": _POOLS,
    "C3_GC": _CONTEXT,
    "ContextBlock2d": _CONTEXT,
    "CBAM": _ATTENTION,
    "C3CBAM": _ATTENTION,
    "CBAMBottleneck": _ATTENTION,
    "SpatialAttention": _ATTENTION,
    "SpatialAttentionModule": _ATTENTION,
}


@lru_cache(maxsize=1)
def _allowed() -> frozenset[str]:
    return _INERT.union(FUNCTIONS, STORAGES, NETWORKS, known_blocks())


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
    if module.startswith("yolov5.models."):  # The pip package of that name.
        module = module[len("yolov5.") :]
    path = f"{module}.{name}"
    if path in _CLASS_ALIASES:
        return _CLASS_ALIASES[path]
    if path in OTHER_TASKS:
        raise CheckpointError(
            f"is a {OTHER_TASKS[path]} checkpoint (it holds {path}); only detection can be exported"
        )
    if path in _allowed():
        return module, name
    if path in _UNSUPPORTED:
        raise CheckpointError(f"holds {path}: {_UNSUPPORTED[path]}")
    for package, what in _OTHER_PACKAGES.items():
        if path.startswith(f"{package}."):
            raise CheckpointError(f"is {what} (it holds {clip(path)})")
    if module.split(".", 1)[0] == "models":
        if name in _AMBIGUOUS:
            raise CheckpointError(
                f"holds the unknown block {clip(path)}: {_AMBIGUOUS[name]}; a wrong guess would give "
                "wrong boxes without an error"
            )
        known = ", ".join(sorted(block for block in known_blocks() if block.startswith("models.")))
        raise CheckpointError(f"holds the unknown block {clip(path)}; known blocks: {known}")
    raise foreign_name(path)


def foreign_name(path: str) -> CheckpointError:
    """The error for a name that no checkpoint needs."""
    return CheckpointError(
        f"wants {clip(path)}, which is not on the list of what a checkpoint may contain; "
        "nothing was imported or run"
    )
