"""Episodes as tensors: codes of labels, classes that are there, and which instance an item is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from metamann.episodes.episode import PADDING, Classes, Episode, Examples, Stream, first_instance_ceiling, instances
from metamann.episodes.text import Text


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
    meta, classes = torch.device("meta"), Classes.one_hot(1, 2)._replace(names=Text.of([["a"]], ("a",)))
    episode = Episode(Examples(inputs, labels), Examples(inputs, labels), classes).to(meta)
    stream = Stream(inputs, labels, classes).to(meta)
    parts = [*episode.support, *episode.query, stream.inputs, stream.labels]
    for moved in (episode.classes, stream.classes):
        assert moved.names is not None
        parts += [moved.ways, moved.codes, moved.names.words]
    assert {part.device.type for part in parts} == {"meta"}
    assert [part.shape for part in episode.support] == [inputs.shape, labels.shape]


def sentences(tags: list[list[int]], lexicon: tuple[str, ...] = ("a", "b")) -> Examples:
    """Sentences of one episode whose words are `a` wherever there is a tag."""
    labels = torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in tags], True, PADDING).unsqueeze(0)
    return Examples(Text.of([["a"] * len(row) for row in tags], lexicon), labels)


def test_codes_of_tokens_are_those_of_their_tags() -> None:
    codes = torch.randn(2, 3, 5)
    labels = torch.tensor([[[0, 2], [1, PADDING]], [[2, 2], [PADDING, PADDING]]])
    classes = Classes(torch.tensor([3, 3]), codes)
    found = classes.of_labels(labels)
    assert found.shape == (2, 2, 2, 5)
    assert torch.equal(found.flatten(1, 2), classes.of_labels(labels.flatten(1)))


def test_an_episode_of_sentences_moves_and_keeps_its_lexicon() -> None:
    part = sentences([[0, 1], [2]])
    episode = Episode(part, part, Classes.one_hot(1, 3)).to(torch.device("meta"))
    assert episode.targets is episode.query.labels
    assert {each.device.type for each in (episode.query.inputs.words, episode.query.labels)} == {"meta"}
    assert episode.support.inputs.lexicon is part.inputs.lexicon


def test_parts_of_a_query_are_all_of_it_in_order() -> None:
    tags = [[0] * 7, [1, 2], [0, 0, 1], [2], [1, 1]]
    query = sentences(tags)
    parts = list(Episode(query, query, Classes.one_hot(1, 3)).query_parts(2))
    assert [part.labels.shape for part in parts] == [(1, 2, 7), (1, 2, 3), (1, 1, 2)]
    for number, part in enumerate(parts):
        alone = sentences(tags[2 * number : 2 * number + 2])
        assert torch.equal(part.inputs.words, alone.inputs.words)
        assert torch.equal(part.labels, alone.labels)


def test_parts_of_a_query_of_images_are_its_items() -> None:
    inputs, labels = torch.arange(5, dtype=torch.uint8).view(1, 5, 1, 1, 1), torch.arange(5).unsqueeze(0)
    query = Examples(inputs, labels)
    parts = list(Episode(query, query, Classes.one_hot(1, 5)).query_parts(3))
    assert torch.equal(torch.cat([part.inputs for part in parts], 1), inputs)
    assert [part.labels.tolist() for part in parts] == [[[0, 1, 2]], [[3, 4]]]


@pytest.mark.parametrize(("ways", "percent"), [(1, 100.0), (5, 45.67), (10, 29.29), (15, 22.12), (20, 17.99)])
def test_first_instance_ceiling_has_the_published_values(ways: int, percent: float) -> None:
    assert 100 * first_instance_ceiling(ways) == pytest.approx(percent, abs=0.005)


def test_nobody_beats_the_ceiling_by_guessing_unused_labels() -> None:
    rng = np.random.default_rng(0)
    order = np.array([rng.permutation(5) for _ in range(20000)])
    # whatever is guessed among the unused labels, here the lowest, is right with 1 / unused
    right = [[row[k] == min(row[k:]) for k in range(5)] for row in order]
    assert np.mean(right) == pytest.approx(first_instance_ceiling(5), abs=0.005)
