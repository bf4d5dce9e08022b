"""A few-shot learner as an estimator of scikit-learn: fitting is a write into memory, no training.

    classifier = FewShotClassifier().fit(features, labels)
    classifier.predict(more_features)

scikit-learn comes with `pip install "metamann[sklearn]"`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from metamann.application.model import Model
from metamann.application.task import Task
from metamann.errors import check_choice, check_number
from metamann.memory.pairs.keyvalue import KeyValueMemory
from metamann.memory.pairs.nearest import NearestMemory
from metamann.memory.pairs.pairs import PairMemory
from metamann.memory.pairs.prototypes import PrototypeMemory

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d, validate_data
except ImportError as error:
    raise ImportError('metamann.sklearn needs scikit-learn: pip install "metamann[sklearn]"') from error

MEMORIES: dict[str, Callable[..., PairMemory[Any]]] = {
    "prototypes": PrototypeMemory,
    "keyvalue": KeyValueMemory,
    "nearest": NearestMemory,
}
AT_ONCE = 1000  # rows that are written or read in one batch


class FewShotClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A classifier that learns from a few examples of each class by writing them into a memory.

    Without a model, a memory without learned parameters reads the rows of features directly. The score of a class is
    the cosine to the mean of its normalised examples (`prototypes`), or the attention, a softmax over cosines, on all
    of its examples (`keyvalue`) or on the nearest one (`nearest`). Scale columns of different units with a
    `StandardScaler` first. `keyvalue` and `nearest` store every example and compare each query with all of them.

    With a model, `X` holds objects that the model reads, such as images or rows of the features of its training, and
    `memory` and `strength` are not used.

    Args:
        model: model to adapt, see `metamann.load`; None uses the features directly.
        memory: `prototypes`, `keyvalue` or `nearest`.
        strength: factor of the cosines in the softmax; the higher it is, the closer are probabilities to 0 and 1.

    Attributes:
        classes_: labels, sorted.
        n_features_in_: number of columns of `X`, if it is a table.

    Examples:
        >>> classifier = FewShotClassifier().fit([[0.0, 1.0], [1.0, 0.0]], ["up", "right"])
        >>> classifier.predict([[0.1, 0.9]]).tolist()
        ['up']
    """

    classes_: np.ndarray
    _written: tuple[Any, ...]  # classes in the order of their first examples; the position is the class number

    def __init__(self, model: Model | None = None, memory: str = "prototypes", strength: float = 10.0) -> None:
        self.model, self.memory, self.strength = model, memory, strength

    def fit(self, X: Any, y: Any) -> FewShotClassifier:  # noqa: N803
        """Write examples into an empty memory.

        Args:
            X: rows of features, `items x width`; or objects that the model reads.
            y: labels, `items`.

        Raises:
            ValueError: if `X` is no table of numbers, or `y` does not label its rows.
            MetamannError: if the model cannot read the items, or a parameter is out of range.
        """
        for name in ("classes_", "n_features_in_", "feature_names_in_"):
            self.__dict__.pop(name, None)
        return self.partial_fit(X, y)

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> FewShotClassifier:  # noqa: N803
        """Write further examples, of known classes or new ones.

        Args:
            X: as in `fit`.
            y: as in `fit`.
            classes: further labels, besides those of `y`; a label without examples has probability 0.

        Raises:
            ValueError: as `fit`.
            MetamannError: as `fit`.
        """
        check_choice("memory", self.memory, tuple(MEMORIES))
        check_number("strength", self.strength, least=0, above=True)
        fresh = not hasattr(self, "classes_")
        if self.model is None:
            items, labels = validate_data(self, X, y, dtype=np.float64, reset=fresh)
        else:
            items, labels = list(_objects(X)), column_or_1d(y, warn=True)
            check_consistent_length(items, labels)
            if getattr(X, "ndim", 0) == 2:
                self.n_features_in_ = X.shape[1]
        check_classification_targets(labels)
        known = [] if fresh else [self.classes_]
        all_classes = _classes([*known, labels] if classes is None else [*known, labels, np.asarray(classes)])
        written = tuple(dict.fromkeys([*(() if fresh else self._written), *labels.tolist()]))
        numbers = [written.index(label) for label in labels.tolist()]
        if self.model is None:
            self._write_rows(items, numbers, len(written), fresh)
        else:
            self._adapt(self.model, items, numbers, fresh)
        self.classes_, self._written = all_classes, written
        return self

    def predict_proba(self, X: Any) -> np.ndarray:  # noqa: N803
        """Probability of every class in the order of `classes_`, `items x classes`.

        Raises:
            ValueError: if `X` is no table of numbers with the columns of the fitted one.
            MetamannError: if the model cannot read an object.
        """
        masses, _ = self._answers(X)
        probabilities = np.zeros((len(masses), len(self.classes_)))
        probabilities[:, self._columns()] = masses
        return probabilities

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """The class of every item.

        Raises:
            ValueError: as `predict_proba`.
            MetamannError: as `predict_proba`.
        """
        _, chosen = self._answers(X)
        predicted: np.ndarray = self.classes_[self._columns()[chosen]]
        return predicted

    def _write_rows(self, items: np.ndarray, numbers: Sequence[int], classes: int, fresh: bool) -> None:
        """Write rows into the memory without a model."""
        rows, classes_of_rows = torch.tensor(items), torch.tensor(numbers)
        if fresh:
            # never_seen is the lowest cosine, and the shares of the classes are scaled to sum to 1
            memory = MEMORIES[self.memory](rows.shape[1], classes, strength=self.strength, never_seen=-1.0)
            memory = memory.double().requires_grad_(False).eval()
            memory.log_strength.fill_(math.log(self.strength))  # the constructor rounds it to 32 bits
            self._memory, self._state = memory, memory.initial_state(1, classes, rows)
        state = self._state
        for part in _parts(len(rows)):
            codes = F.one_hot(classes_of_rows[part], classes).double()
            mask = torch.ones(1, len(codes), dtype=torch.bool)
            state = self._memory.write(state, rows[part][None], codes[None], mask)
            in_use = state.filled[0]  # prototypes have one slot for each class
            state = type(state)(*(tensor[:, in_use] for tensor in state))
        self._state = state

    def _adapt(self, model: Model, items: Sequence[Any], numbers: Sequence[int], fresh: bool) -> None:
        """Adapt the model to the examples; its labels are the numbers of the classes."""
        examples = [(item, str(number)) for item, number in zip(items, numbers, strict=True)]
        if fresh:
            self._task: Task = model.adapt(examples)
        else:
            self._task.add(examples)

    def _answers(self, X: Any) -> tuple[np.ndarray, np.ndarray]:  # noqa: N803
        """Probabilities of the classes in the order of their numbers, and the number of the answer."""
        check_is_fitted(self)
        if self.model is None:
            rows = torch.tensor(validate_data(self, X, dtype=np.float64, reset=False))
            masses = torch.cat([self._read(rows[part]) for part in _parts(len(rows))]).numpy()
            return masses, masses.argmax(1)
        answers = self._task.predict(iter(_objects(X)))
        scores = [[answer.scores[str(number)] for number in range(len(self._written))] for answer in answers]
        chosen = np.array([int(answer.label) for answer in answers], dtype=np.int64)
        return np.array(scores).reshape(len(answers), len(self._written)), chosen

    def _read(self, rows: Tensor) -> Tensor:
        """Shares of the classes in the reads of some rows, `rows x classes`."""
        masses: Tensor = self._memory.read(self._state, rows[None])[0, :, :-1]
        return masses / masses.sum(-1, keepdim=True)

    def _columns(self) -> np.ndarray:
        """Column in `classes_` of every class number."""
        columns = {label: column for column, label in enumerate(self.classes_.tolist())}
        return np.array([columns[label] for label in self._written])


def _objects(X: Any) -> Any:  # noqa: N803
    """The objects of `X`, one by one: iterating a data frame would give the names of its columns."""
    return X.to_numpy() if hasattr(X, "to_numpy") else X


def _parts(rows: int) -> list[slice]:
    return [slice(start, start + AT_ONCE) for start in range(0, rows, AT_ONCE)]


def _classes(labels: Sequence[np.ndarray]) -> np.ndarray:
    """All distinct labels, sorted."""
    if len({array.dtype.kind in "biuf" for array in labels}) > 1:
        raise ValueError("some labels are numbers and others are not; make all of them of one type.")
    return np.unique(np.concatenate(labels))
