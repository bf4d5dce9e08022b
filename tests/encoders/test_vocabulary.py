"""What a pretrained encoder cannot read is said, and what it can read is not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from messages import names
from torch import nn

from metamann.data.sentences.fixed_episodes import FixedEpisode, FixedEpisodeStore
from metamann.data.sentences.store import Sentence, SentenceStore
from metamann.encoders.frozen import FrozenEncoder
from metamann.encoders.joined import JoinedEncoder
from metamann.encoders.pretrained import PretrainedEncoder
from metamann.encoders.recurrent import RecurrentEncoder
from metamann.encoders.spelling import SpellingEncoder
from metamann.encoders.vocabulary import little_known

ENGLISH = [
    "Ada Lovelace lives in London .",
    "He paid € 5 for a café crème at Schröder 's in Łódź",
    "The β-carotene and the NF-κB subunit α1",  # noqa: RUF001
    "@user check http://t.co/XyZ12 #ThisIsGreat lol 1,234.56",
]
FOREIGN: Mapping[str, str] = {
    "Chinese": "李 小龙 在 广州 见到 张三 。",
    "Korean": "김철수는 서울에서 삼성전자 직원을 만났다 .",
    "Japanese": "東京 で 田中 さん は 会議 に 出席 し まし た",
    "Thai": "สมชาย ทำงาน ที่ กรุงเทพ",
    "Russian": "Москва является столицей России .",
    "Arabic": "محمد يعيش في القاهرة",
}


def store(*sentences: str) -> SentenceStore:
    return SentenceStore("own", tuple(Sentence(tuple(each.split()), ()) for each in sentences))


def test_english_says_nothing(minilm: PretrainedEncoder) -> None:
    assert little_known(minilm, "own.conll", store(*ENGLISH, "")) == ()
    assert little_known(minilm, "own.conll", store()) == ()


@pytest.mark.parametrize("language", FOREIGN)
def test_other_scripts_are_said_in_one_line(minilm: PretrainedEncoder, language: str) -> None:
    (note,) = little_known(minilm, "own.conll", store(ENGLISH[0], FOREIGN[language], FOREIGN[language]))
    assert names(note, "all-MiniLM-L6-v2 ", "English", "2 of 3 sentences of own.conll", f"'{FOREIGN[language]}'")


def test_a_long_name_and_a_long_sentence_are_shortened(minilm: PretrainedEncoder) -> None:
    (note,) = little_known(minilm, "n" * 300, store("龘 " * 500 + "\ud800"), store(*ENGLISH))
    assert len(note) < 294
    assert "1 of 5 sentences" in note


def test_an_encoder_is_found_wherever_it_stands(minilm: PretrainedEncoder) -> None:
    joined = JoinedEncoder({"words": minilm, "spelling": SpellingEncoder()})
    learners: list[nn.Module] = [joined, RecurrentEncoder(joined, hidden=2), FrozenEncoder(minilm)]
    for learner in learners:
        assert len(little_known(nn.Sequential(learner), "own", store(FOREIGN["Chinese"]))) == 1
    assert little_known(SpellingEncoder(), "own", store(FOREIGN["Chinese"])) == ()


def test_support_and_query_of_a_task_are_both_looked_at(minilm: PretrainedEncoder) -> None:
    support, query = (store(text).sentences for text in (ENGLISH[0], FOREIGN["Korean"]))
    task = FixedEpisodeStore("own", (FixedEpisode(support, query, ("a",)),), labelled=False)
    assert "1 of 2 sentences" in little_known(minilm, "own", task)[0]


def test_more_than_a_fifth_of_the_pieces_counts(tiny_bert: Path) -> None:
    """Its vocabulary has the letters from a to z, so every word of three letters has three pieces."""
    encoder = PretrainedEncoder(str(tiny_bert), overlap=8)
    texts = [["abcd", "中"], ["abc", "中"], ["中"], []]
    shares = encoder.unknown_shares(texts, ("abc", "abcd", "中"))
    torch.testing.assert_close(shares, torch.tensor([1 / 5, 1 / 4, 1, 0]))
    (note,) = little_known(encoder, "own", store("abcd 中", "abc 中"))
    assert "knows little of 1 of 2 sentences of own" in note
    assert "'abc 中'" in note
    assert "English" not in note
