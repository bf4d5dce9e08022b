"""The classifier keeps the contract of scikit-learn's estimators, and is what closed forms say."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas
import pytest
from sklearn.base import clone
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, normalize
from sklearn.utils.estimator_checks import parametrize_with_checks

from metamann.application.model import Model
from metamann.data.images.objects import Pictures
from metamann.encoders.identity import IdentityEncoder
from metamann.episodes.items.protocols import LabelCodes
from metamann.errors import ConfigError, DataError
from metamann.learners.mann import MANN
from metamann.memory.pairs.prototypes import PrototypeMemory
from metamann.modalities.item_objects import ItemObjects, Rows
from metamann.sklearn import MEMORIES, FewShotClassifier

WIDTH = 6
RNG = np.random.default_rng(0)
CENTRES = RNG.normal(0, 1, (5, WIDTH))
NUMBERS = RNG.permutation(np.arange(60) % 5)
ROWS = CENTRES[NUMBERS] + RNG.normal(0, 0.6, (60, WIDTH))
LABELS = np.array(["e", "b", "d", "a", "c"])[NUMBERS]
QUERIES = RNG.normal(0, 1, (200, WIDTH))
STRENGTH = 7.0


@parametrize_with_checks([FewShotClassifier(memory=memory) for memory in MEMORIES])
def test_all_checks_of_scikit_learn_pass(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


def test_keyvalue_is_all_neighbours_weighted_by_the_softmax_of_cosines() -> None:
    found = FewShotClassifier(memory="keyvalue", strength=STRENGTH).fit(ROWS, LABELS)
    neighbours = KNeighborsClassifier(
        n_neighbors=len(ROWS), metric="cosine", weights=lambda distances: np.exp(-STRENGTH * distances)
    ).fit(ROWS, LABELS)
    assert found.classes_.tolist() == neighbours.classes_.tolist()
    np.testing.assert_allclose(found.predict_proba(QUERIES), neighbours.predict_proba(QUERIES), rtol=1e-9)
    assert found.predict(QUERIES).tolist() == neighbours.predict(QUERIES).tolist()


def test_nearest_is_the_one_neighbour() -> None:
    found = FewShotClassifier(memory="nearest").fit(ROWS, LABELS)
    neighbour = KNeighborsClassifier(n_neighbors=1, metric="cosine").fit(ROWS, LABELS)
    assert found.predict(QUERIES).tolist() == neighbour.predict(QUERIES).tolist()


def test_nearest_shares_by_the_nearest_of_each_class() -> None:
    found = FewShotClassifier(memory="nearest", strength=STRENGTH).fit(ROWS, LABELS)
    cosines = cosine_similarity(QUERIES, ROWS)
    best = np.stack([cosines[:, label == LABELS].max(1) for label in found.classes_], 1)
    shares = np.exp(STRENGTH * best)
    # the nearest is chosen to four decimals
    np.testing.assert_allclose(found.predict_proba(QUERIES), shares / shares.sum(1, keepdims=True), atol=1e-3)


def test_prototypes_are_centroids_of_unit_rows_by_cosine() -> None:
    found = FewShotClassifier(strength=STRENGTH).fit(ROWS, LABELS)
    centroids = NearestCentroid().fit(normalize(ROWS), LABELS)
    cosines = cosine_similarity(QUERIES, centroids.centroids_)
    shares = np.exp(STRENGTH * cosines)
    np.testing.assert_allclose(found.predict_proba(QUERIES), shares / shares.sum(1, keepdims=True), rtol=1e-9)
    assert found.predict(QUERIES).tolist() == centroids.classes_[cosines.argmax(1)].tolist()


@pytest.mark.parametrize("memory", MEMORIES)
def test_with_one_example_each_all_memories_are_the_nearest_neighbour(memory: str) -> None:
    first = [int(np.flatnonzero(label == LABELS)[0]) for label in np.unique(LABELS)]
    found = FewShotClassifier(memory=memory).fit(ROWS[first], LABELS[first])
    nearest = KNeighborsClassifier(n_neighbors=1).fit(normalize(ROWS[first]), LABELS[first])
    assert found.predict(QUERIES).tolist() == nearest.predict(normalize(QUERIES)).tolist()


@pytest.mark.parametrize("memory", MEMORIES)
def test_examples_come_in_parts_and_classes_later(memory: str) -> None:
    whole = FewShotClassifier(memory=memory).fit(ROWS, LABELS)
    order = np.argsort(LABELS == "a", kind="stable")  # class a last
    parts = FewShotClassifier(memory=memory)
    seen: set[str] = set()
    for part in np.array_split(order, 7):
        parts.partial_fit(ROWS[part], LABELS[part])
        seen |= set(LABELS[part])
        assert parts.classes_.tolist() == sorted(seen)
    np.testing.assert_allclose(parts.predict_proba(QUERIES), whole.predict_proba(QUERIES), atol=1e-3)
    assert parts.classes_.tolist() == whole.classes_.tolist()


def test_prototypes_take_no_more_room_with_more_examples() -> None:
    many = np.tile(ROWS, (50, 1))
    classifier = FewShotClassifier().fit(many, np.tile(LABELS, 50))
    assert classifier._state.filled.shape == (1, 5)
    once = FewShotClassifier().fit(ROWS, LABELS)
    np.testing.assert_allclose(classifier.predict_proba(QUERIES), once.predict_proba(QUERIES), rtol=1e-9)


def test_a_class_to_come_has_no_probability() -> None:
    classifier = FewShotClassifier().partial_fit(ROWS, NUMBERS, classes=[-1, 0, 1, 2, 3, 4, 9])
    probabilities = classifier.predict_proba(QUERIES)
    assert classifier.classes_.tolist() == [-1, 0, 1, 2, 3, 4, 9]
    assert not probabilities[:, [0, 6]].any()
    np.testing.assert_allclose(probabilities.sum(1), 1)
    assert not set(classifier.predict(QUERIES)) & {-1, 9}


def test_fit_forgets_what_was_fitted() -> None:
    classifier = FewShotClassifier().fit(ROWS, LABELS).fit(ROWS[:, :3], NUMBERS)
    assert classifier.n_features_in_ == 3
    assert classifier.classes_.tolist() == [0, 1, 2, 3, 4]


def test_wrong_parameters_and_labels_are_refused() -> None:
    with pytest.raises(ConfigError, match="choose prototypes, keyvalue or nearest"):
        FewShotClassifier(memory="lstm").fit(ROWS, LABELS)
    with pytest.raises(ConfigError, match="strength=0"):
        FewShotClassifier(strength=0).fit(ROWS, LABELS)
    with pytest.raises(ValueError, match="some labels are numbers"):
        FewShotClassifier().fit(ROWS, LABELS).partial_fit(ROWS, NUMBERS)


def test_it_stands_in_pipelines_and_searches() -> None:
    pipeline = make_pipeline(StandardScaler(), FewShotClassifier())
    search = GridSearchCV(pipeline, {"fewshotclassifier__memory": list(MEMORIES)}, cv=3).fit(ROWS, LABELS)
    assert search.best_score_ > 0.5


def rows_model() -> Model:
    learner = MANN(IdentityEncoder(WIDTH), PrototypeMemory(WIDTH, 5), 5)
    return Model(learner, ItemObjects(Rows(WIDTH), LabelCodes(), 5))


def test_a_model_is_adapted() -> None:
    classifier = FewShotClassifier(model=rows_model()).fit(ROWS, LABELS)
    alone = FewShotClassifier().fit(ROWS, LABELS)
    assert classifier.classes_.tolist() == alone.classes_.tolist()
    assert classifier.n_features_in_ == WIDTH
    np.testing.assert_allclose(classifier.predict_proba(QUERIES), alone.predict_proba(QUERIES), atol=1e-5)
    assert classifier.predict(QUERIES).tolist() == alone.predict(QUERIES).tolist()
    assert classifier.predict_proba(QUERIES[:0]).shape == (0, 5)
    frame = FewShotClassifier(model=classifier.model).fit(pandas.DataFrame(ROWS), LABELS)
    assert frame.predict(pandas.DataFrame(QUERIES)).tolist() == alone.predict(QUERIES).tolist()


def test_a_model_learns_further_classes() -> None:
    few = LABELS != "a"
    classifier = FewShotClassifier(model=rows_model()).fit(ROWS[few], LABELS[few])
    assert classifier.classes_.tolist() == ["b", "c", "d", "e"]
    classifier.partial_fit(ROWS[~few], LABELS[~few])
    whole = FewShotClassifier().fit(ROWS, LABELS)
    np.testing.assert_allclose(classifier.predict_proba(QUERIES), whole.predict_proba(QUERIES), atol=1e-5)


def test_a_model_of_images_reads_images(make_mann: Any) -> None:
    images = np.random.default_rng(0).integers(0, 256, (6, 16, 16), dtype=np.uint8)
    model = Model(make_mann("keyvalue"), ItemObjects(Pictures(16), LabelCodes(), 5))
    classifier = FewShotClassifier(model=model).fit(images, [2, 2, 1, 1, 0, 0])
    task = model.adapt({"2": list(images[:2]), "1": list(images[2:4]), "0": list(images[4:])})
    assert classifier.predict(images).tolist() == [int(answer.label) for answer in task.predict(list(images))]
    assert not hasattr(classifier, "n_features_in_")
    with pytest.raises(DataError):
        classifier.predict(["no such file.png"])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        classifier.fit(images, [1, 2])


@pytest.mark.parametrize("model", [False, True])
def test_it_is_pickled_cloned_and_asked_by_threads(model: bool) -> None:
    classifier = FewShotClassifier(model=rows_model() if model else None, memory="keyvalue").fit(ROWS, LABELS)
    expected = classifier.predict_proba(QUERIES)
    again = pickle.loads(pickle.dumps(classifier))
    assert np.array_equal(again.predict_proba(QUERIES), expected)
    cloned = clone(classifier)
    assert not hasattr(cloned, "classes_")
    assert np.array_equal(cloned.fit(ROWS, LABELS).predict_proba(QUERIES), expected)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: classifier.predict_proba(QUERIES), range(8)):
            assert np.array_equal(found, expected)
