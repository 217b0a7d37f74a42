"""The subcommands of ``yolo-export``, one file each."""
