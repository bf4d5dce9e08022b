"""The delta rule, in C."""
