"""The memory of the MANN paper: least recently used access."""
