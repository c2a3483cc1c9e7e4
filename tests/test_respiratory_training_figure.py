"""The figure of a training of breath cycles: each loss on its own axes, the kept epoch marked."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bodysounds.figures.respiratory_training import respiratory_training_figure


def history(method: str, epochs: int = 4) -> pd.DataFrame:
    stages = {"sl": ["sl"], "hybrid": ["hybrid"]}.get(method, ["contrastive", "linear"])
    rows = []
    for stage in stages:
        for _ in range(epochs):
            n = len(rows) + 1
            named = stage != "contrastive"
            rows.append(
                {
                    "stage": stage,
                    "epoch": n,
                    "loss_cross_entropy": 1 / n if named else np.nan,
                    "loss_contrastive": 4 / n if stage in ("hybrid", "contrastive") else np.nan,
                    "loss_metadata": 3 / n
                    if (stage, method) == ("contrastive", "mscl")
                    else np.nan,
                    "dev_loss": 1.2 / n,
                    "train_accuracy": 0.5 if named else np.nan,
                    "dev_score": 0.4 + n / 100 if named else np.nan,
                    "chosen": False,
                }
            )
    rows[-1]["chosen"] = True
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("method", "lines"),
    [("sl", [2, 3]), ("hybrid", [1, 2, 3]), ("scl", [2, 2, 3]), ("mscl", [3, 2, 3])],
)
def test_each_loss_has_its_axes(method: str, lines: list[int]) -> None:
    figure = respiratory_training_figure(history(method), True, method)
    assert [len(axes.lines) for axes in figure.axes] == lines
    text = " ".join(one.get_text() for one in figure.texts)
    assert f"Training by {method}" in text
    assert "SYNTHETIC" in text
    (star,) = (line for line in figure.axes[-1].lines if line.get_marker() == "*")
    last = history(method).iloc[-1]
    assert star.get_xdata()[0] == last["epoch"]
    assert star.get_ydata()[0] == pytest.approx(100 * last["dev_score"])


def test_one_epoch_is_a_dot_and_none_an_error() -> None:
    figure = respiratory_training_figure(history("scl", 1), False, "scl")
    assert all(line.get_marker() in ("o", "*") for axes in figure.axes for line in axes.lines)
    with pytest.raises(ValueError, match="no epoch"):
        respiratory_training_figure(history("sl").iloc[:0], False, "sl")
