"""Erase and add of NTM, in C."""
