"""The losses of the last steps, left on the device until they are read."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bodysounds.training.run import Training
from bodysounds.training.state import State

READ_EVERY = 50
"""Steps of a GPU between two readings; each makes the host wait for all that is queued."""


class Meter:
    """Figures of steps that are not read yet.

    On a CPU nothing is gained by waiting: it is full after each step.
    """

    def __init__(self, device: torch.device) -> None:
        self.every = READ_EVERY if device.type == "cuda" else 1
        self.loss: float | None = None
        self.names: list[str] = []
        self.unread: list[tuple[Tensor, int]] = []

    def add(self, figures: dict[str, Tensor], n_items: int) -> None:
        """Take the figures of a step, scalars on the device; all steps have the same ones."""
        self.names = list(figures)
        self.unread.append((torch.stack([value.float() for value in figures.values()]), n_items))

    @property
    def is_full(self) -> bool:
        """Whether as many steps wait as should."""
        return len(self.unread) >= self.every

    def read(self, run: Training, state: State) -> None:
        """Add what waits to the sums of the state, whose step is that of the last one added.

        Raises ValueError for a loss that is not finite, naming the step that had it.
        """
        rows = torch.stack([values for values, _ in self.unread]).tolist()
        first = state.step + 1 - len(rows)
        for number, (row, (_, n_items)) in enumerate(zip(rows, self.unread, strict=True)):
            figures = dict(zip(self.names, row, strict=True))
            self.loss = figures["loss"]
            if not math.isfinite(self.loss):
                raise ValueError(
                    f"the loss is {self.loss} at epoch {state.epoch + 1}, step "
                    f"{first + number + 1}: lower train_embedding.learning_rate "
                    f"({run.params.learning_rate:g})"
                )
            state.sum_up(figures, n_items)
        self.unread.clear()
