"""A task: a model that is adapted to a few labelled examples."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence, Sized
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional as F
from tqdm import tqdm

from metamann.application.explanation import explain
from metamann.application.task_files import save_task, sound_state
from metamann.episodes.episode import Classes
from metamann.errors import DataError, check_number, excerpt, excerpts
from metamann.modalities.explanations import Explanation, SentenceExplanation
from metamann.modalities.task_objects import Outline

if TYPE_CHECKING:
    from metamann.application.model import Model

LONG = 100  # a progress bar appears for more queries


class Task:
    """The state of a model for one set of labels, with its examples.

    `predict` is thread safe: it changes neither the task nor the model. `add` and `forget` change only the task.

    Attributes:
        model: the adapted model; other tasks may share it.
        labels: names of the labels, in the order in which they first appeared.
        state: state of the learner, a batch of one.

    Examples:
        >>> from metamann.application.model import Model
        >>> from metamann.encoders.identity import IdentityEncoder
        >>> from metamann.episodes.items.protocols import LabelCodes
        >>> from metamann.learners.mann import MANN
        >>> from metamann.memory.pairs.prototypes import PrototypeMemory
        >>> from metamann.modalities.item_objects import ItemObjects, Rows
        >>> learner = MANN(IdentityEncoder(2), PrototypeMemory(features=2, code_width=5), code_width=5)
        >>> model = Model(learner, ItemObjects(Rows(2), LabelCodes(), max_ways=5))
        >>> task = model.adapt({"up": [[0.0, 1.0]], "right": [[1.0, 0.0]]})
        >>> task.predict([0.1, 0.9]).label
        'up'
    """

    def __init__(
        self,
        model: Model,
        labels: tuple[str, ...],
        state: Any,
        examples: list[Any] | None,
        outlines: list[Outline] | None = None,
    ) -> None:
        self.model, self.labels, self.state, self._examples = model, labels, state, examples
        # of all examples in the state, also if they are not stored; None if the task was loaded without examples
        self._outlines = outlines if examples is None else [model.objects.outline(example) for example in examples]

    @classmethod
    def of(cls, model: Model, examples: Any, keep_examples: bool = True) -> Task:
        """See `Model.adapt`."""
        parsed = model.objects.read_labelled(examples)
        labels = model.objects.labels(parsed)
        outlines = [model.objects.outline(example) for example in parsed]
        return cls(model, labels, _write(model, parsed, labels), parsed if keep_examples else None, outlines)

    @property
    def examples(self) -> tuple[Any, ...] | None:
        """The examples in their order; None if the task does not store them."""
        return None if self._examples is None else tuple(self._examples)

    @property
    def calibrated(self) -> bool:
        """Whether scores are calibrated, so that on validation nine in ten answers with score 0.9 are right."""
        return self.model.calibration is not None

    def predict(self, queries: Any, threshold: float | None = None) -> Any:
        """The answer for one object, or a list of answers for several.

        Args:
            queries: one object, or a list or iterator of them.
            threshold: between 0 and 1. The answer for an item with a lower score is None, "none of these"; entities
                with a lower score are left out.

        Raises:
            DataError: if the model cannot read an object.
            ConfigError: if the threshold is not between 0 and 1.
        """
        if threshold is not None:
            check_number("threshold", threshold, least=0, most=1)
        if self.model.objects.is_one(queries):
            return self._answers([self.model.objects.read_query(queries)], threshold)[0]
        return [answer for chunk in self._chunks(queries) for answer in self._answers(chunk, threshold)]

    def add(self, examples: Any) -> None:
        """Learn further examples of known or new labels, without training.

        Raises:
            DataError: if the examples are not valid, or the model cannot predict so many labels.
        """
        model, objects = self.model, self.model.objects
        new = objects.read_labelled(examples)
        if not new:
            raise DataError("there is nothing to add; give at least one example.")
        labels = tuple(dict.fromkeys((*self.labels, *objects.labels(new))))
        if _continues(objects.classes(self.labels), objects.classes(labels)):
            state = _write(model, new, labels, self.state)
        elif self._examples is not None:
            state = _write(model, [*self._examples, *new], labels)
        else:
            raise DataError("this model must see all examples again to name more labels; adapt with keep_examples.")
        self.labels, self.state = labels, state
        if self._examples is not None:
            self._examples = [*self._examples, *new]
        if self._outlines is not None:
            self._outlines = [*self._outlines, *map(objects.outline, new)]

    def forget(self, what: str | int | Iterable[int]) -> None:
        """Forget a label, or examples by their numbers in the order in which they were learned.

        Examples are removed from the memory if it supports this and every label keeps an example; otherwise the
        remaining examples are written into an empty memory.

        Raises:
            DataError: if the label or example does not exist, nothing would be left, or the task does not store the
                examples that have to be written again.
        """
        if isinstance(what, str):
            if what not in self.labels:
                raise DataError(f"there is no label {excerpt(what)}; choose {excerpts(self.labels)}.")
            self._relearn(self.model.objects.without(self._stored_examples(), what))
            return
        removed = {what} if isinstance(what, int) else set(what)
        outlines = self._outlines
        if outlines is None:
            raise DataError("this task was opened without its examples, so it cannot forget; save it with them.")
        unknown = [number for number in removed if number not in range(len(outlines))]
        if unknown:
            raise DataError(f"there is no example {excerpt(unknown[0])}; they are 0 to {len(outlines) - 1}.")
        if not self.model.learner.can_forget or not self._remove_examples(outlines, removed):
            self._relearn([example for number, example in enumerate(self._stored_examples()) if number not in removed])

    def _remove_examples(self, outlines: list[Outline], removed: set[int]) -> bool:
        """Remove examples from the memory if every label keeps one; returns whether they were removed."""
        remaining = [outline for number, outline in enumerate(outlines) if number not in removed]
        if {label for outline in remaining for label in outline.labels} != set(self.labels):
            return False
        positions = [number in removed for number, outline in enumerate(outlines) for _ in range(outline.positions)]
        with sound_state():
            mask = torch.tensor([positions], device=self.model.device)
            self.state = self.model.learner.forget(self.state, mask)
        self._outlines = remaining
        if self._examples is not None:
            self._examples = [example for number, example in enumerate(self._examples) if number not in removed]
        return True

    def _relearn(self, examples: list[Any]) -> None:
        """Write only these examples into an empty memory."""
        labels = self.model.objects.labels(examples)
        if not labels:
            raise DataError("nothing would be left of this task; add other examples first.")
        self.state = _write(self.model, examples, labels)
        self.labels, self._examples = labels, examples
        self._outlines = [self.model.objects.outline(example) for example in examples]

    def _stored_examples(self) -> list[Any]:
        if self._examples is None:
            raise DataError(
                "this task does not keep its examples, so it forgets single ones alone: of a memory that can give them "
                "up (keyvalue, nearest, prototypes), and not the last of a label; adapt with keep_examples."
            )
        return self._examples

    def explain(self, query: Any) -> Explanation | SentenceExplanation:
        """The examples from which the answer for one object was read, for a text the words; `.plot()` draws them.

        Raises:
            ConfigError: if the memory or the task does not store single examples.
        """
        return explain(self, query)

    def save(self, path: str | Path, *, examples: bool = True) -> None:
        """Write the task into one file, for `load_task` with the same model.

        Args:
            path: of the file; an existing file is replaced.
            examples: save the examples too; without them the loaded task cannot forget.

        Raises:
            DataError: if the file cannot be written.
        """
        save_task(self, Path(path), examples)

    def _chunks(self, queries: Iterable[Any]) -> Iterable[list[Any]]:
        """Chunks of parsed queries; on a terminal with a progress bar for many queries."""
        source, size, read = iter(queries), self.model.objects.chunk, self.model.objects.read_query
        total = len(queries) if isinstance(queries, Sized) else None
        hidden = not sys.stderr.isatty() or (total is not None and total <= LONG)
        with tqdm(total=total, disable=hidden, unit="query", leave=False) as bar:
            while chunk := [read(query) for query in islice(source, size)]:
                yield chunk
                bar.update(len(chunk))

    def _answers(self, queries: Sequence[Any], threshold: float | None) -> list[Any]:
        model, objects = self.model, self.model.objects
        with sound_state():
            answers = objects.answers(model.learner, self.state, queries, self.labels, model.temperature)
        return answers if threshold is None else [objects.above(answer, threshold) for answer in answers]


def _write(model: Model, examples: Sequence[Any], labels: Sequence[str], state: Any = None) -> Any:
    """The state after writing the examples."""
    if not examples or not labels:
        raise DataError("there is no labelled example to adapt to; give at least one.")
    if model.most_labels is not None and len(labels) > model.most_labels:
        raise DataError(
            f"{len(labels)} labels are more than the {model.most_labels} that this model can name; give fewer, or "
            "take a model whose memory grows, such as keyvalue or prototypes."
        )
    support, classes = model.objects.support(examples, labels), model.objects.classes(labels)
    with sound_state():
        return model.learner.adapt(support.to(model.device), classes.to(model.device), state)


def _continues(before: Classes, after: Classes) -> bool:
    """Whether the present labels keep their codes, so that the memory stays valid."""
    wider = after.codes.shape[-1] - before.codes.shape[-1]
    old = F.pad(before.codes, (0, wider))
    return wider >= 0 and torch.equal(old, after.codes[:, : old.shape[1]])
