"""What a training tells: its log, results.csv, curves and pictures."""
