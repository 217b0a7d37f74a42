"""The training loop and what it needs: options, optimiser, averages, checkpoints, validation."""
