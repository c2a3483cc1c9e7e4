"""The training curves show what validates and what is averaged."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bodysounds.figures.training import training_figure


def test_the_validation_loss_and_every_averaged_epoch_are_drawn() -> None:
    history = pd.DataFrame(
        {
            "epoch": [1, 2, 3, 4],
            "loss": [4.0, 3.0, 2.0, 1.0],
            "loss_triplet": [4.0, 3.0, 2.0, 1.0],
            "validation_loss": [4.5, 4.0, 3.5, 3.6],
            "dev_eer": [0.4, 0.2, 0.3, 0.25],
            "chosen": [False, True, False, True],
        }
    )
    left, right = training_figure(history).axes
    drawn = {line.get_label(): line for axes in (left, right) for line in axes.lines}
    np.testing.assert_array_equal(drawn["validation loss"].get_ydata(), history["validation_loss"])
    stars = drawn["chosen: the mean of these"]
    assert stars.get_xdata().tolist() == [2, 4]
    np.testing.assert_allclose(stars.get_ydata(), [20.0, 25.0])
    single = training_figure(history.drop(columns="validation_loss").assign(chosen=[0, 0, 1, 0]))
    labels = [line.get_label() for axes in single.axes for line in axes.lines]
    assert "validation loss" not in labels
    assert "chosen: epoch 3, 30.0%" in labels
