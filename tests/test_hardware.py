"""Devices and precisions by name."""

from __future__ import annotations

import pytest
import torch

from metamann.errors import ConfigError
from metamann.hardware import autocast, choose_device, choose_precision, describe_machine, full_precision

CPU = torch.device("cpu")


def test_a_device_by_name_is_that_device() -> None:
    assert choose_device("cpu") == CPU


def test_auto_takes_the_accelerator_that_is_here() -> None:
    present = [
        name for name, here in (("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available())) if here
    ]
    assert choose_device("auto").type == [*present, "cpu"][0]


@pytest.mark.parametrize("name", ["abacus", "", "cpu:x", "cuda:99"])
def test_a_device_that_is_not_here_is_one_line_that_names_the_setting(name: str) -> None:
    with pytest.raises(ConfigError, match=r"trainer\.device") as caught:
        choose_device(name)
    assert f"'{name}'" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["fp32", "bf16"])
def test_a_precision_by_name_is_that_precision(name: str) -> None:
    assert choose_precision(name, CPU) == name


def test_auto_precision_is_one_that_the_hardware_has() -> None:
    chosen = choose_precision("auto", CPU)
    assert chosen in ("fp32", "bf16")
    flags = next((line for line in open("/proc/cpuinfo") if line.startswith("flags")), "")  # noqa: SIM115, PTH123
    assert (chosen == "bf16") == ("avx512_bf16" in flags or "amx_bf16" in flags)


@pytest.mark.parametrize("name", ["fp16", "", "BF16", "float32"])
def test_an_unknown_precision_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"trainer\.precision"):
        choose_precision(name, CPU)


def test_autocast_multiplies_in_the_precision_and_can_be_switched_off_inside() -> None:
    ones = torch.ones(4, 4)
    with autocast(CPU, "bf16"):
        assert (ones @ ones).dtype == torch.bfloat16
        with full_precision(CPU):
            assert (ones @ ones).dtype == torch.float32
        assert (ones @ ones).dtype == torch.bfloat16
    with autocast(CPU, "fp32"):
        assert (ones @ ones).dtype == torch.float32


def test_the_machine_is_described_for_results_files() -> None:
    text = describe_machine()
    assert torch.__version__ in text
    assert f"{torch.get_num_threads()} threads" in text
    assert "\n" not in text
