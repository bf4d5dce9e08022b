"""What every command needs is imported, and set up, once: in the process that commands are forked from."""

from __future__ import annotations

import gc
import importlib
import os

from metamann.reports.pictures import drawable

os.environ["PYTHONPATH"] = os.environ["PYTHONPATH"].partition(os.pathsep)[2]  # the first led here, see `commandline`

COMMANDS = ("train", "evaluate", "audit", "compare", "continual")

# torch._dynamo is imported by optimizers
for _name in (*(f"metamann.commands.{name}" for name in COMMANDS), "wandb", "torch.utils.tensorboard", "torch._dynamo"):
    importlib.import_module(_name)
drawable("")  # looks for the fonts
gc.freeze()  # the garbage collection of a forked process would touch, and so copy, all of it
