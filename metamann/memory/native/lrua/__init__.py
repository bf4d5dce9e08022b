"""The loop of LRUA, in C."""
