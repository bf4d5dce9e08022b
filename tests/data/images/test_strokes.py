"""strokes: deterministic, the same whatever else is asked for, and learnable without being trivial."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from metamann.data.images import strokes as strokes_module
from metamann.data.images.strokes import strokes
from metamann.errors import ConfigError, DataError
from metamann.reports.contact_sheet import contact_sheet

SMALL = {"alphabets": (2, 1, 1), "characters": 4, "drawings": 3}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("METAMANN_CACHE", str(tmp_path))
    return tmp_path


def test_same_seed_gives_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = strokes(**SMALL)
    monkeypatch.setenv("METAMANN_CACHE", str(tmp_path / "other"))
    second = strokes(**SMALL)
    for split in ("train", "val", "test"):
        assert first.split(split).fingerprint == second.split(split).fingerprint


def test_another_seed_gives_other_alphabets() -> None:
    first, second = strokes(**SMALL).train, strokes(**SMALL, seed=1).train
    same = (first.items == second.items).flatten(1).all(1)
    assert not same.any()
    assert not set(first.groups) & set(second.groups)


def test_a_drawing_does_not_depend_on_how_many_are_asked_for() -> None:
    few = strokes(alphabets=(2, 1, 1), characters=3, drawings=2)
    many = strokes(alphabets=(3, 2, 2), characters=5, drawings=7)
    for split in ("train", "val", "test"):
        number_of = {name: number for number, name in enumerate(many.split(split).class_names)}
        for number, name in enumerate(few.split(split).class_names):
            assert torch.equal(few.split(split).images_of(number), many.split(split).images_of(number_of[name])[:2])


def test_names_say_alphabet_and_character() -> None:
    splits = strokes(**SMALL)
    assert splits.name == "strokes"
    for split, count in (("train", 2), ("val", 1), ("test", 1)):
        store = splits.split(split)
        assert store.name == f"strokes/{split}"
        assert len(set(store.class_names)) == store.n_classes == 4 * count
        assert len(store.classes_by_group) == count
        for name, group in zip(store.class_names, store.groups, strict=True):
            assert name.startswith(f"{group}/character0")


def test_no_two_alphabets_share_a_name() -> None:
    for seed in (0, 1, 2**32 - 1):
        assert len({strokes_module._alphabet_name(alphabet, seed) for alphabet in range(3000)}) == 3000


def test_no_drawing_comes_twice_within_or_across_splits() -> None:
    splits = strokes(**SMALL)
    drawings = torch.cat([splits.split(split).items.flatten(1) for split in ("train", "val", "test")])
    assert len(torch.unique(drawings, dim=0)) == len(drawings) == 4 * 4 * 3


def test_rotations_make_four_classes_of_one() -> None:
    upright, rotated = strokes(**SMALL).test, strokes(**SMALL, rotations=True).test
    assert rotated.n_classes == 4 * upright.n_classes
    number = rotated.class_names.index(f"{upright.class_names[1]}@90")
    assert torch.equal(rotated.images_of(number), torch.rot90(upright.images_of(1), 1, (2, 3)))


@pytest.mark.parametrize("size", [20, 28, 64])
def test_a_drawing_is_dark_thin_ink_on_paper(size: int) -> None:
    items = strokes(alphabets=(3, 1, 1), characters=5, drawings=6, size=size).train.items
    assert items.dtype == torch.uint8
    assert items.shape == (3 * 5 * 6, 1, size, size)
    ink = items.float().mean((1, 2, 3)) / 255
    assert ink.min() > 0.01
    assert ink.max() < 0.3
    assert items.flatten(1).max(1).values.min() > 200  # every drawing has dark ink
    assert ((items > 32) & (items < 224)).any()  # anti-aliased


def test_no_drawing_is_cut_off_at_the_frame() -> None:
    items = strokes(alphabets=(3, 1, 1), characters=5, drawings=20, size=strokes_module.FRAME).train.items
    assert not items[..., [0, 1, -2, -1], :].any()
    assert not items[..., [0, 1, -2, -1]].any()


def test_drawings_of_a_character_are_alike_but_not_copies() -> None:
    store = strokes(alphabets=(8, 1, 1), characters=5, drawings=10).train
    # blurred and centred, so that a small shift counts little
    images = store.items.float()
    images = torch.nn.functional.avg_pool2d(images, 5, stride=2, padding=2).flatten(1)
    images = images / images.norm(dim=1, keepdim=True)
    likeness = (images @ images.T).fill_diagonal_(-1.0)
    labels = torch.arange(store.n_classes).repeat_interleave(10)
    accuracy = (labels[likeness.argmax(1)] == labels).float().mean()
    assert accuracy > 0.4  # chance is 1 in 40
    assert accuracy < 0.98
    alone = store.items.reshape(store.n_classes, 10, -1).float()
    assert (alone.std(1).amax(1) > 60).all()  # 255 would be ink in half of the drawings


def test_second_call_reads_the_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = strokes(**SMALL)
    assert len(list(cache.glob("strokes-*.pt"))) == 1

    def refuse(*_: object) -> None:
        raise AssertionError("drawn again")

    monkeypatch.setattr(strokes_module, "_draw", refuse)
    second = strokes(**SMALL)
    for split in ("train", "val", "test"):
        assert first.split(split).fingerprint == second.split(split).fingerprint


@pytest.mark.parametrize(
    "change",
    [{"alphabets": (3, 1, 1)}, {"characters": 5}, {"drawings": 4}, {"size": 20}, {"seed": 1}],
    ids=lambda change: next(iter(change)),
)
def test_every_argument_has_a_cache_file_of_its_own(cache: Path, change: dict[str, object]) -> None:
    strokes(**SMALL)
    strokes(**{**SMALL, **change})
    assert len(list(cache.glob("strokes-*.pt"))) == 2


def test_another_generator_does_not_read_the_old_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    strokes(**SMALL)
    monkeypatch.setattr(strokes_module, "VERSION", strokes_module.VERSION + 1)
    strokes(**SMALL)
    assert len(list(cache.glob("strokes-*.pt"))) == 2


@pytest.mark.parametrize(
    ("arguments", "fix"),
    [
        ({"alphabets": (0, 1, 1)}, r"data\.alphabets=\(0, 1, 1\) .*3 whole numbers from 1 to 1000"),
        ({"alphabets": (1, 1)}, "of train, val, test"),
        ({"alphabets": 3}, r"data\.alphabets=3"),
        ({"characters": 0}, r"data\.characters=0 must be at least 1"),
        ({"characters": 101}, "at most 100"),
        ({"drawings": 1}, r"data\.drawings=1 must be at least 2"),
        ({"size": 7}, r"data\.size=7 must be at least 8"),
        ({"size": 106}, "at most 105"),
        ({"seed": -1}, r"data\.seed=-1 must be at least 0"),
        ({"seed": 2**64}, "at most 18446744073709551615"),
    ],
)
def test_a_bad_argument_is_refused_with_the_fix(arguments: dict[str, object], fix: str, cache: Path) -> None:
    with pytest.raises(ConfigError, match=fix):
        strokes(**{**SMALL, **arguments})
    assert not list(cache.iterdir())


def test_random_streams_of_style_character_and_drawing_differ() -> None:
    streams = [(0, 0), (0, 0, 0), (0, 0, 0, 0), (0, 0, 1), (0, 1), (0, 1, 0), (1, 0), (0, 0, 0, 1)]
    draws = [strokes_module._random(*stream).random() for stream in streams]
    assert len(np.unique(draws)) == len(streams)


def test_contact_sheet_shows_a_class_a_row_in_black_on_white() -> None:
    store = strokes(**SMALL).train
    sheet = contact_sheet(store, [5, 2], drawings=4)
    assert sheet.dtype == np.uint8
    assert sheet.shape == (2 * 29 + 1, 4 * 29 + 1)
    assert np.array_equal(255 - sheet[30:58, 30:58], store.images_of(2)[1, 0].numpy())
    assert (sheet[1:29, 88:116] == 255).all()  # three drawings were made, the fourth place is empty
    with pytest.raises(DataError, match="no class 8"):
        contact_sheet(store, [8], drawings=1)
