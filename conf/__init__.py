"""Hydra configuration, importable as pkg://metamann.conf."""
