"""Devices and precisions by name."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from metamann.errors import ConfigError
from metamann.hardware import (
    TensorsFit,
    autocast,
    choose_device,
    choose_precision,
    describe_machine,
    full_precision,
    memory_of_machine,
    out_of_memory,
)

CPU = torch.device("cpu")


def test_a_device_by_name_is_that_device() -> None:
    assert choose_device("cpu") == CPU


def test_auto_takes_the_accelerator_that_is_here() -> None:
    present = [
        name for name, here in (("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available())) if here
    ]
    assert choose_device("auto").type == [*present, "cpu"][0]


@pytest.mark.parametrize("key", ["device", "trainer.device"])
@pytest.mark.parametrize("name", ["abacus", "", "cpu:x", "cuda:99"])
def test_a_device_that_is_not_here_is_one_line_that_names_the_setting(name: str, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        choose_device(name, key)
    assert str(caught.value).startswith(f"{key}={name} cannot be used")
    assert str(caught.value).endswith(f"set {key}=auto or cpu.")
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
    with pytest.raises(ConfigError, match=f"^trainer.precision={name} is unknown; choose auto, fp32 or bf16"):
        choose_precision(name, CPU, "trainer.precision")
    with pytest.raises(ConfigError, match=f"^precision={name} is unknown"):
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


def test_tensors_beyond_the_machine_are_refused_before_they_are_there() -> None:
    huge = memory_of_machine() // 4 + 1  # numbers of 4 bytes
    for make in (torch.zeros, torch.empty, torch.randn):
        with TensorsFit(), pytest.raises(MemoryError, match="GiB"):
            make(huge)
    with TensorsFit(), pytest.raises(MemoryError):
        nn.LSTM(10**6, 10**6)


def test_many_tensors_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metamann.hardware.memory_of_machine", lambda: 8 * 1024)
    with TensorsFit():
        kept = [torch.zeros(512), torch.ones(2, 256)]
        with pytest.raises(MemoryError):
            torch.zeros(1)
    assert torch.zeros(10).sum() == 0
    assert len(kept) == 2


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 byte"), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("shapes do not fit"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_a_lack_of_memory_is_told_from_other_errors(error: Exception, expected: bool) -> None:
    assert out_of_memory(error) is expected
