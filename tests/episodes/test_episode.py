"""Episodes as tensors: codes of labels, classes that are there, and which instance an item is."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from metamann.episodes.episode import PADDING, Classes, Episode, Examples, Stream, instances


def test_one_hot_classes_are_all_there() -> None:
    classes = Classes.one_hot(3, 4)
    assert classes.ways.tolist() == [4, 4, 4]
    assert classes.codes.tolist() == [torch.eye(4).tolist()] * 3
    assert classes.present().all()


def test_code_of_a_label_is_its_row_and_zeros_for_padding() -> None:
    codes = torch.randn(2, 3, 5)
    labels = torch.tensor([[0, 2, PADDING, 1], [PADDING, PADDING, 0, 2]])
    found = Classes(torch.tensor([3, 3]), codes).of_labels(labels)
    assert found.shape == (2, 4, 5)
    for episode in range(2):
        for item, label in enumerate(labels[episode].tolist()):
            expected = torch.zeros(5) if label == PADDING else codes[episode, label]
            assert torch.equal(found[episode, item], expected)


def test_present_counts_the_ways_of_each_episode() -> None:
    classes = Classes(torch.tensor([1, 3, 4]), torch.eye(4).expand(3, 4, 4))
    assert classes.present().tolist() == [[True, False, False, False], [True, True, True, False], [True] * 4]


@settings(deadline=None, max_examples=50)
@given(rows=st.integers(1, 3), steps=st.integers(1, 12), data=st.data())
def test_instances_count_as_a_plain_loop(rows: int, steps: int, data: st.DataObject) -> None:
    one = st.lists(st.sampled_from([PADDING, 0, 1, 2]), min_size=steps, max_size=steps)
    labels = data.draw(st.lists(one, min_size=rows, max_size=rows))
    expected = []
    for row in labels:
        seen: dict[int, int] = {}
        counts = []
        for label in row:
            seen[label] = seen.get(label, 0) + 1
            counts.append(0 if label == PADDING else seen[label])
        expected.append(counts)
    assert instances(torch.tensor(labels)).tolist() == expected


def test_targets_are_what_answers_are_judged_by() -> None:
    inputs, classes = torch.zeros(1, 2, 1, 1, 1, dtype=torch.uint8), Classes.one_hot(1, 2)
    support, query = Examples(inputs, torch.tensor([[0, 1]])), Examples(inputs, torch.tensor([[1, 0]]))
    assert Episode(support, query, classes).targets is query.labels
    labels = torch.tensor([[1, 1]])
    assert Stream(inputs, labels, classes).targets is labels


def test_moving_to_a_device_keeps_every_part() -> None:
    inputs, labels = torch.zeros(1, 2, 1, 1, 1, dtype=torch.uint8), torch.tensor([[0, 1]])
    meta, classes = torch.device("meta"), Classes.one_hot(1, 2)
    episode = Episode(Examples(inputs, labels), Examples(inputs, labels), classes).to(meta)
    stream = Stream(inputs, labels, classes).to(meta)
    parts = [*episode.support, *episode.query, *episode.classes, stream.inputs, stream.labels, *stream.classes]
    assert {part.device.type for part in parts} == {"meta"}
    assert [part.shape for part in episode.support] == [inputs.shape, labels.shape]
