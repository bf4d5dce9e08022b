"""Calibration: a temperature that was put in is found, answers stay, and the error does not grow."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from metamann.episodes.items.protocols import NWayKShot
from metamann.episodes.sampler import Sampler
from metamann.errors import MetamannError
from metamann.evaluation.calibration import (
    calibrate_entities,
    calibrate_items,
    expected_calibration_error,
    fit,
)


def drawn(temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities that are too sure by this factor, and targets drawn from the true ones."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4000, 5, generator=generator, dtype=torch.float64)
    targets = torch.multinomial(logits.softmax(-1), 1, generator=generator).squeeze(-1)
    return (logits * temperature).log_softmax(-1), targets


@pytest.mark.parametrize("temperature", [0.4, 3.0])
def test_the_temperature_that_was_put_in_is_found(temperature: float) -> None:
    found = fit(*drawn(temperature), episodes=4)
    assert found["temperature"] == pytest.approx(temperature, rel=0.1)
    assert found["error_after"] < found["error_before"]
    assert found["episodes"] == 4


def test_absent_classes_change_nothing() -> None:
    log_probs, targets = drawn(3.0)
    wider = torch.cat([log_probs, torch.full((len(log_probs), 2), -torch.inf)], -1)
    assert fit(wider, targets, 1)["temperature"] == pytest.approx(fit(log_probs, targets, 1)["temperature"])


def test_the_error_is_its_closed_form() -> None:
    scores, right = torch.tensor([0.95, 0.95, 0.5]), torch.tensor([True, False, True])
    assert expected_calibration_error(scores, right) == pytest.approx((0.9 + 0.5) / 3)


def test_entities_that_are_too_sure_become_less_so() -> None:
    right = torch.arange(100) % 10 < 6
    found = calibrate_entities(torch.full((100,), 0.99), right, 5)
    assert found["temperature"] > 1
    assert found["error_after"] < 0.01
    with pytest.raises(MetamannError, match="no entity"):
        calibrate_entities(torch.zeros(0), torch.zeros(0), 0)


def test_the_error_of_a_learner_does_not_grow_on_held_out_episodes(make_mann: Any, store: Any) -> None:
    sampler = Sampler(store, NWayKShot(5, 1, 5), seed=0)
    learner = make_mann("keyvalue").eval()
    found = calibrate_items(learner, [sampler.batch(range(16)), sampler.batch(range(16, 32))], 32)
    assert found["episodes"] == 32
    held_out = sampler.batch(range(100, 140))
    with torch.no_grad():
        log_probs = learner.predict(learner.adapt(held_out.support, held_out.classes), held_out.query.inputs)

    def error(temperature: float) -> float:
        highest, chosen = (log_probs.double() / temperature).softmax(-1).max(-1)
        return expected_calibration_error(highest.flatten(), (chosen == held_out.query.labels).flatten())

    assert error(found["temperature"]) <= error(1.0) + 0.01
