"""Temperature, and how far a confidence is to be believed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.metrics import brier_score_loss, log_loss

from bodysounds.scoring.temperature import (
    HIGHEST,
    LOWEST,
    brier_score,
    calibration_figures,
    fit_temperature,
    mean_log_loss,
    tempered,
)

CLASSES = ["a", "b", "c"]
NAMES = np.array(CLASSES, dtype=object)


def drawn(n: int, seed: int, sharp: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Labels that are drawn from their own probabilities, and the logits of these."""
    rng = np.random.default_rng(seed)
    logits = sharp * rng.normal(size=(n, 3))
    odds = softmax(logits, axis=1).cumsum(axis=1)
    return NAMES[(rng.uniform(size=(n, 1)) > odds).sum(axis=1)], logits


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0, 8.0])
def test_known_overconfidence_is_found(factor: float) -> None:
    labels, logits = drawn(20_000, 0)
    assert fit_temperature(labels, factor * logits, CLASSES) == pytest.approx(factor, rel=0.05)


@pytest.mark.parametrize("seed", range(5))
def test_the_temperature_is_that_of_scipy(seed: int) -> None:
    labels, logits = drawn(200, seed)
    said = log_softmax(2.5 * logits, axis=1)
    own = np.searchsorted(CLASSES, labels.astype(str))

    def loss(log_t: float) -> float:
        return -log_softmax(said / np.exp(log_t), axis=1)[np.arange(200), own].mean()

    oracle = minimize_scalar(loss, bounds=(-1.5, 2.9), method="bounded", options={"xatol": 1e-9})
    assert fit_temperature(labels, said, CLASSES) == pytest.approx(np.exp(oracle.x), rel=1e-4)


def test_what_is_beyond_a_bound_stays_at_it() -> None:
    labels, _ = drawn(50, 0)
    right = np.log(np.eye(3)[np.searchsorted(CLASSES, labels.astype(str))] * 0.8 + 0.1)
    assert fit_temperature(labels, right, CLASSES) == LOWEST
    assert fit_temperature(labels, -right, CLASSES) == HIGHEST
    with np.errstate(divide="ignore"):
        never = np.log(np.tile([1.0, 0.0, 0.0], (50, 1)))
    # a probability of 0 for what happened is a temperature, not an infinity
    assert LOWEST < fit_temperature(labels, never, CLASSES) <= HIGHEST


def test_tempering_keeps_the_order_and_adds_up_to_one() -> None:
    _, logits = drawn(100, 3)
    for temperature in (0.3, 1.0, 4.0):
        told = tempered(logits, temperature)
        assert np.exp(told).sum(axis=1) == pytest.approx(np.ones(100))
        assert (told.argsort(axis=1) == logits.argsort(axis=1)).all()
        assert told == pytest.approx(log_softmax(logits / temperature, axis=1))
    with pytest.raises(ValueError, match="above 0, got 0"):
        tempered(logits, 0)
    logits[7, 1] = np.nan
    with pytest.raises(ValueError, match=r"\[7, 1\] is NaN"):
        tempered(logits, 1.0)


def test_losses_are_those_of_scikit_learn() -> None:
    labels, logits = drawn(300, 1)
    said = log_softmax(3 * logits, axis=1)
    assert mean_log_loss(labels, said, CLASSES) == pytest.approx(
        log_loss(labels.astype(str), np.exp(said))
    )
    by_class = [brier_score_loss(labels == c, np.exp(said)[:, k]) for k, c in enumerate(CLASSES)]
    assert brier_score(labels, said, CLASSES) == pytest.approx(sum(by_class))


def test_the_calibration_error_is_that_of_a_slow_loop() -> None:
    labels, logits = drawn(400, 2)
    said = log_softmax(3 * logits, axis=1)
    error = 0.0
    for k in range(7):
        inside = []
        for row, label in zip(said, labels, strict=True):
            p = np.exp(row).max()
            if k / 7 <= p < (k + 1) / 7:
                inside.append((p, NAMES[row.argmax()] == label))
        if inside:
            sure, right = np.mean(inside, axis=0)
            error += len(inside) / 400 * abs(sure - right)
    assert calibration_figures(labels, said, CLASSES, 7)["ece"] == pytest.approx(error)
    with np.errstate(divide="ignore"):
        certain = np.log(np.eye(3)[[0, 0]])
    half = calibration_figures(np.array(["a", "b"]), certain, CLASSES)
    assert half["ece"] == pytest.approx(0.5)


def test_calibration_lowers_the_loss_of_what_was_not_fitted() -> None:
    labels, logits = drawn(2000, 5)
    said = log_softmax(4 * logits, axis=1)
    temperature = fit_temperature(labels[:1000], said[:1000], CLASSES)
    before = calibration_figures(labels[1000:], said[1000:], CLASSES)
    after = calibration_figures(labels[1000:], tempered(said[1000:], temperature), CLASSES)
    assert all(after[name] < before[name] for name in ("log_loss", "brier", "ece"))
    assert after["ece"] < 0.04 < before["ece"]


def test_bad_input_is_refused() -> None:
    for labels, table, message in (
        (np.array([]), np.zeros((0, 3)), "no examples"),
        (np.array(["a"]), np.zeros((1, 2)), r"\(1, 3\), got \(1, 2\)"),
        (np.array(["d"]), np.zeros((1, 3)), "'d', which is none of the classes"),
        (np.array(["a"]), np.full((1, 3), np.nan), "is NaN"),
    ):
        with pytest.raises(ValueError, match=message):
            fit_temperature(labels, table, CLASSES)
        with pytest.raises(ValueError, match=message):
            calibration_figures(labels, table, CLASSES)
