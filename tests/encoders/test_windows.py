"""Windows own every piece once with context around it; groups hold everything once with little padding."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from metamann.encoders.windows import PADDED, SPARE, groups, windows

PIECES = st.lists(st.integers(1, 6) | st.just(40), min_size=1, max_size=60)


@given(PIECES, st.integers(4, 40), st.data(), st.integers(0, 5))
def test_every_piece_is_owned_once_and_seen_with_context(
    pieces: list[int], size: int, data: st.DataObject, offset: int
) -> None:
    overlap = data.draw(st.integers(0, size - 1))
    total, found = sum(pieces), windows(pieces, size, overlap, offset)
    owned = [piece for window in found for piece in range(window.own_start, window.own_end)]
    assert owned == list(range(offset, offset + total))
    borders = list(accumulate(pieces, initial=0))
    for window in found:
        start, end, own_start, own_end = (place - offset for place in window)
        assert 0 <= start <= own_start < own_end <= end <= total
        assert end - start == min(size, total)
        # half the overlap on either side, but for the ends of the sentence and what keeps a word whole
        assert start == 0 or own_start - start >= overlap // 2 - max(pieces)
        assert end == total or end - own_end >= overlap // 2
        for border in (own_start, own_end):
            assert border in borders or max(pieces) > overlap // 2


def test_a_short_sentence_is_one_window_and_a_long_one_is_parted_in_the_middle_of_overlaps() -> None:
    assert windows([1, 2, 3], 6, 2) == [(0, 6, 0, 6)]
    # windows start every 6 pieces, the last so that it is full
    assert windows([1] * 20, 10, 4) == [(0, 10, 0, 8), (6, 16, 8, 13), (10, 20, 13, 20)]
    # at piece 8 a word begun at 7 would be parted
    assert windows([1] * 7 + [2] + [1] * 11, 10, 4)[0] == (0, 10, 0, 7)


@given(st.lists(st.integers(1, 3000), max_size=80), st.integers(1, 5000))
def test_groups_hold_every_sequence_once_and_little_padding(lengths: list[int], most: int) -> None:
    found = groups(lengths, most)
    assert sorted(number for group in found for number in group) == list(range(len(lengths)))
    for group in found:
        of_group = [lengths[number] for number in group]
        padded, real = max(of_group) * len(group), sum(of_group)
        assert len(group) == 1 or padded <= most
        assert len(group) == 1 or padded - real <= SPARE + PADDED * real


def test_sequences_of_one_length_are_one_group() -> None:
    assert groups([5] * 7) == [[0, 1, 2, 3, 4, 5, 6]]
    assert groups([]) == []
    assert groups([5] * 7, most=20) == [[0, 1, 2, 3], [4, 5, 6]]
