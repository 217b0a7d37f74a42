"""The commands of ``yolo-train``, a module each: ``add_arguments(parser)``; ``run(args)`` returns the exit code."""
