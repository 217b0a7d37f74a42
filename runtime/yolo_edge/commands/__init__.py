"""The commands of ``yolo-edge``: each module has ``add_arguments(parser)`` and ``execute(args)``.

Modules here are imported for ``--help`` too, so they import what they need in ``execute``.
"""
