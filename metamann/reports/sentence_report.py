"""Reports of an evaluation on sentences: a page with entities in colour, and a file with the predicted tags."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from metamann.data.plain_files import write_text
from metamann.data.sentences.store import Span
from metamann.data.sentences.tags import write_tags
from metamann.decoding.tag_spans import named_spans
from metamann.episodes.sentences.protocols import SentencePlan
from metamann.episodes.sentences.table import SentenceTable
from metamann.episodes.sentences.tagging import TagScheme
from metamann.evaluation.sentence_evaluator import AnsweredEpisode
from metamann.learners.evidence import SOURCES

COLOURS = ("#cfe8ff", "#ffd9b8", "#d6f5d0", "#f3d1f4", "#fff2b3", "#d9d9f3", "#ffd1d1", "#cdeeee")
MOST_SENTENCES = 60  # of a support or a query
MOST_SHARES = 3  # types for one word
PAGE = """<!doctype html><meta charset="utf-8"><title>{title}</title>
<style>body{{font:15px/2 sans-serif;max-width:60em;margin:2em auto;color:#222}} .s{{margin:.2em 0}}
mark{{padding:.15em .3em;border-radius:.3em}} sub{{font-size:65%;color:#555;margin-left:.3em}}{style}</style>
<h1>{title}</h1><p>Filled: answered. {legend} A few-shot tagger says what it read for a word of the query: hold the
pointer over it.</p>
"""
SCORED_STYLE = """
.missed{background:none;border-bottom:2px dashed #cf222e} .wrong{outline:2px solid #cf222e}"""
SCORED = """Outlined in red: answered wrongly. Dashed: an entity that was missed, or is another than was answered."""
NOT_SCORED = """The query has no labels, so nothing says which answers are right."""


class Reader:
    """Turns the numbers of words and tags in an episode into words and entities.

    Args:
        table: the sentences.
        scheme: of the tags.

    Examples:
        >>> from metamann.data.sentences.store import Sentence
        >>> sentence = Sentence(("Ada", "codes"), (Span(0, 1, "person"),))
        >>> table = SentenceTable.of([sentence], lexicon=("Ada", "codes"), types=("person",))
        >>> reader, plan = Reader(table, "io"), SentencePlan(np.array([]), query=np.array([0]), types=np.array([0]))
        >>> reader.words(0), reader.true_spans(plan, 0)
        (['Ada', 'codes'], (Span(start=0, end=1, type='person'),))
        >>> reader.predicted_spans(plan, 0, tags=np.array([0, 1]))
        (Span(start=1, end=2, type='person'),)
    """

    def __init__(self, table: SentenceTable, scheme: TagScheme) -> None:
        self.table, self.scheme = table, scheme

    def words(self, row: int) -> list[str]:
        """The words of a sentence of the table."""
        start, stop = self.table.first[row], self.table.first[row + 1]
        return [self.table.lexicon[number] for number in self.table.words[start:stop]]

    def predicted_spans(self, plan: SentencePlan, row: int, tags: np.ndarray) -> tuple[Span, ...]:
        """The entities that tags predict in a sentence of the table."""
        length = self.table.sizes[row]
        return named_spans(tags[:length].tolist(), [self.table.types[number] for number in plan.types], self.scheme)

    def true_spans(self, plan: SentencePlan, row: int) -> tuple[Span, ...]:
        """The entities of the episode's types in a sentence of the table."""
        tags = self.table.tags([np.array([row])], [plan.types], self.scheme)[0, 0]
        return self.predicted_spans(plan, row, tags.numpy())


def write_page(
    path: Path, title: str, reader: Reader, episodes: Sequence[AnsweredEpisode], labelled: bool = True
) -> None:
    """Write an HTML page: sentences of a few episodes with predicted and true entities in colour.

    Args:
        path: of the file.
        title: of the evaluation.
        reader: of the sentences.
        episodes: with their answers.
        labelled: whether the queries have labels to compare the answers with.
    """
    style, legend = (SCORED_STYLE, SCORED) if labelled else ("", NOT_SCORED)
    parts = [PAGE.format(title=html.escape(title), style=style, legend=legend)]
    for episode_number, episode in enumerate(episodes, 1):
        plan = episode.plan
        types = [reader.table.types[number] for number in plan.types]
        colour = {type_: COLOURS[place % len(COLOURS)] for place, type_ in enumerate(types)}
        legend = " ".join(f'<mark style="background:{colour[type_]}">{html.escape(type_)}</mark>' for type_ in types)
        parts.append(f"<h2>Episode {episode_number}</h2><p>{legend}</p><h3>Support</h3>")
        for row in plan.support[:MOST_SENTENCES]:
            spans = reader.true_spans(plan, row)
            parts.append(_sentence(reader.words(row), spans, spans, colour))
        parts.append("<h3>Query</h3>")
        for place, (row, tags) in enumerate(list(zip(plan.query, episode.answers, strict=True))[:MOST_SENTENCES]):
            predicted, notes = reader.predicted_spans(plan, row, tags), reading_notes(reader, episode, place)
            true = reader.true_spans(plan, row) if labelled else predicted
            parts.append(_sentence(reader.words(row), predicted, true, colour, notes))
    write_text(path, "\n".join(parts))


def reading_notes(reader: Reader, episode: AnsweredEpisode, place: int) -> list[str]:
    """A line on the memory's reading for each word of a sentence of the query; empty if the learner reports none.

    Args:
        reader: of the sentences.
        episode: with the reading.
        place: index of the sentence in the query.
    """
    if episode.reading is None:
        return []
    plan, (evidence, classes, nearest, cosines) = episode.plan, episode.reading
    names = [reader.table.types[number] for number in plan.types]
    shown = [(int(row), at) for row in plan.support for at in range(len(reader.words(int(row))))]
    notes = []
    for word in range(len(reader.words(int(plan.query[place])))):
        shares = sorted(zip(classes[place, word].tolist(), names, strict=False), reverse=True)
        spoke = evidence[place, word].tolist()
        sources = ", ".join(f"{name} {value:+.1f}" for name, value in zip(SOURCES, spoke, strict=True))
        parts = [f"for an entity {sum(spoke):+.1f}: {sources}"]
        parts.append("if an entity: " + ", ".join(f"{name} {share:.2f}" for share, name in shares[:MOST_SHARES]))
        for side, number, cosine in zip(
            ("outside", "inside"), nearest[place, word].tolist(), cosines[place, word].tolist(), strict=True
        ):
            if number >= 0:
                row, at = shown[number]
                types = [f" ({span.type})" for span in reader.true_spans(plan, row) if span.start <= at < span.end]
                parts.append(f"nearest {side}: {reader.words(row)[at]}{''.join(types)} {cosine:.2f}")
        notes.append("; ".join(parts))
    return notes


def write_answers(path: Path, reader: Reader, plan: SentencePlan, answers: np.ndarray) -> None:
    """Write the query of one episode as a column file: a word and its predicted tag in each line, IOB2.

    Args:
        path: of the file.
        reader: of the sentences.
        plan: of the episode.
        answers: `sentences x length`.
    """
    blocks = []
    for row, tags in zip(plan.query, answers, strict=True):
        words = reader.words(row)
        iob2 = write_tags(len(words), reader.predicted_spans(plan, row, tags), "IOB2")
        blocks.append("".join(f"{word}\t{tag}\n" for word, tag in zip(words, iob2, strict=True)))
    write_text(path, "\n".join(blocks))


def _sentence(
    words: Sequence[str],
    predicted: Sequence[Span],
    true: Sequence[Span],
    colour: dict[str, str],
    notes: Sequence[str] = (),
) -> str:
    missed = [span for span in true if span not in predicted]
    outlined = {token for span in missed for token in range(span.start, span.end)}
    starts, parts, token = {span.start: span for span in predicted}, [], 0
    while token < len(words):
        span = starts.get(token, Span(token, token + 1, ""))
        inside = " ".join(
            _word(words[place], place in outlined, notes[place] if notes else "")
            for place in range(span.start, span.end)
        )
        if span.type:
            wrong = "" if span in true else ' class="wrong"'
            name = html.escape(span.type)
            inside = f'<mark{wrong} style="background:{colour[span.type]}">{inside}<sub>{name}</sub></mark>'
        parts.append(inside)
        token = span.end
    ends = "; ".join(f"{' '.join(words[span.start : span.end])}: {span.type}" for span in missed)
    note = f" <sub>missed: {html.escape(ends)}</sub>" if missed else ""
    return f'<div class="s">{" ".join(parts)}{note}</div>'


def _word(word: str, outlined: bool, note: str) -> str:
    safe = html.escape(word)
    if note:
        safe = f'<span title="{html.escape(note)}">{safe}</span>'
    return f'<mark class="missed">{safe}</mark>' if outlined else safe
