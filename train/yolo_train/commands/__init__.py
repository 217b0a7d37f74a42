"""The commands of ``yolo-train``, a module each: ``add_arguments(parser)`` and ``run(args)``."""
