"""External memories, one file each: scores, state, step and parallel forms."""
