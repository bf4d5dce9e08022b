"""The outer loop, checkpoints and logs."""
