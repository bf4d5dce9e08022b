"""Splits: what is apart passes, and every planted leak between them is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from metamann.checks.finding import Finding
from metamann.checks.splits import audit_splits
from metamann.data.images.omniglot import omniglot
from metamann.data.sentences.fixed_episodes import FixedEpisode, fixed_splits
from metamann.data.sentences.store import PARTS, Sentence, SentenceSplits, SentenceStore, Span
from metamann.data.store import ClassStore, DataSplits, looks, pixels_digest


def outcomes(findings: list[Finding]) -> dict[str, str]:
    return {found.check.split(" ")[0] + " " + found.check.split(" ")[1]: found.outcome for found in findings}


def renamed(store: ClassStore, prefix: str) -> ClassStore:
    return ClassStore(
        store.name,
        store.items,
        tuple(prefix + name for name in store.class_names),
        tuple(prefix + group for group in store.groups),
        store.first_item,
    )


def splits_of(make_store: Callable[..., ClassStore]) -> dict[str, ClassStore]:
    return {part: renamed(make_store(seed=number), part) for number, part in enumerate(("train", "val", "test"))}


def test_splits_that_are_apart_pass(make_store: Callable[..., ClassStore]) -> None:
    found = audit_splits(DataSplits("tiny", **splits_of(make_store)))
    assert {each.outcome for each in found} == {"pass"}


def test_a_drawing_under_another_name_is_found_turned_and_mirrored(make_store: Callable[..., ClassStore]) -> None:
    parts = splits_of(make_store)
    leaked = parts["test"].images_of(3)[:1].rot90(3, (2, 3)).flip(3)
    items = parts["train"].items.clone()
    items[5] = leaked[0]
    parts["train"] = ClassStore(
        "tiny", items, parts["train"].class_names, parts["train"].groups, parts["train"].first_item
    )
    found = {each.check: each for each in audit_splits(DataSplits("tiny", **parts))}
    drawings = found["no drawing stands in two splits, turned or mirrored"]
    assert drawings.outcome == "fail"
    assert drawings.evidence == "1 drawings of test are in train, such as one of testclass3"


def test_alphabets_that_two_splits_share_are_found_but_where_the_split_is_by_class(
    make_store: Callable[..., ClassStore],
) -> None:
    def outcome(disjoint_groups: bool) -> str:
        found = audit_splits(DataSplits("tiny", **parts, disjoint_groups=disjoint_groups))
        return {each.check: each.outcome for each in found}["alphabets of the splits are disjoint"]

    parts = splits_of(make_store)
    test = parts["test"]
    parts["test"] = ClassStore("tiny", test.items, test.class_names, parts["val"].groups, test.first_item)
    assert outcome(disjoint_groups=True) == "fail"
    assert outcome(disjoint_groups=False) == "declared"


def test_classes_that_two_splits_share_are_found(make_store: Callable[..., ClassStore]) -> None:
    # `DataSplits` refuses them; splits that were not made by it are audited all the same
    splits = DataSplits("tiny", **splits_of(make_store))
    object.__setattr__(splits, "test", splits.val.subset("tiny", [0, 2]))
    found = {each.check: each for each in audit_splits(splits)}[
        "classes of the splits are disjoint, rotated copies too"
    ]
    assert found.outcome == "fail"
    assert "val and test share 2, such as valclass0" in found.evidence


def test_no_false_alarm_on_omniglot(omniglot_data: Path) -> None:
    vinyals, lake = (audit_splits(omniglot(split, train_mirrors=True)) for split in ("vinyals", "lake"))  # type: ignore[arg-type]
    assert [each.outcome for each in vinyals] == ["pass", "pass", "declared"]
    assert "Gurmukhi" in vinyals[2].evidence
    assert [each.outcome for each in lake] == ["pass", "pass", "pass"]


def sentences(part: str, type_: str, number: int = 300) -> tuple[Sentence, ...]:
    return tuple(Sentence((part, str(each), "x"), (Span(0, 1, type_),)) for each in range(number))


def test_sentences_in_two_splits_are_found_and_a_few_are_declared() -> None:
    def found(repeated: int) -> list[str]:
        train, val, test = sentences("a", "A"), sentences("b", "B"), sentences("c", "C")
        again = tuple(Sentence(each.tokens, (Span(0, 1, "C"),)) for each in train[:repeated])
        parts = {"train": train, "val": val, "test": test[repeated:] + again}
        splits = SentenceSplits("toy", **{part: SentenceStore(part, each) for part, each in parts.items()})
        return [each.outcome for each in audit_splits(splits)]

    assert found(0) == ["pass", "pass"]
    assert found(3) == ["pass", "declared"]
    assert found(30) == ["pass", "fail"]


def test_types_that_two_domains_share_are_declared() -> None:
    parts = {part: [FixedEpisode(sentences(part, "A", 3), sentences(part, "A", 3), ("A",))] for part in PARTS}
    assert [each.outcome for each in audit_splits(fixed_splits("toy", **parts))] == ["declared", "pass"]


def test_types_of_supervised_data_are_declared() -> None:
    stores = {part: SentenceStore(part, sentences(part, "A")) for part in ("train", "val", "test")}
    found = audit_splits(SentenceSplits("toy", **stores, disjoint_types=False))
    assert [each.outcome for each in found] == ["declared", "pass"]


def test_images_are_compared_in_all_eight_positions(make_store: Callable[..., ClassStore]) -> None:
    def digests(image: torch.Tensor) -> set[bytes]:
        return set(map(pixels_digest, looks(image)))

    image = make_store().items[0]
    assert len(digests(image)) == 8
    assert digests(image) == digests(torch.rot90(image, 1, (1, 2)).flip(2))


def test_rows_are_compared_as_they_are() -> None:
    """Rows of features cannot be turned, and one that stands in two splits is found."""
    rows = torch.arange(24.0).view(3, 4, 2)  # splits x items x width
    rows[2, 0] = rows[0, 0]
    splits = DataSplits(
        "rows",
        *(
            ClassStore.from_classes(part, [each], [part], [""], turnable=False)
            for part, each in zip(("train", "val", "test"), rows, strict=True)
        ),
    )
    found = {each.check: each.outcome for each in audit_splits(splits)}
    assert list(found.values()) == ["pass", "fail", "skipped"]
