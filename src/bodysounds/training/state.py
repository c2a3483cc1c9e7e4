"""Where a training stands: all that a resumed run needs to end as if it had not been stopped."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any


@dataclass
class State:
    """Changes with every step; only numbers, lists and dicts, so that it can be stored."""

    epoch: int = 0
    """Epochs finished, dev scored."""
    batch: int = 0
    """Batches done of the epoch under way."""
    step: int = 0
    """Batches done in all."""
    saved: int = 0
    """Step of the last checkpoint."""
    heard: int = 0
    """Samples of all crops so far."""
    items: int = 0
    """Crops of the epoch under way."""
    seconds: float = 0.0
    """Spent training in the epoch under way."""
    waited: float = 0.0
    """Of these, seconds in which nothing but the samples of a batch was waited for."""
    sums: dict[str, float] = field(default_factory=dict)
    """Losses and figures of the epoch under way, each times its crops."""
    history: list[dict[str, float]] = field(default_factory=list)
    """A row a finished epoch."""
    kept: list[int] = field(default_factory=list)
    """Epochs, counted from 1, whose weights are kept; best first."""

    def add(self, figures: dict[str, float], n_items: int, n_samples: int, seconds: float) -> None:
        """Count a batch and its figures."""
        self.sum_up(figures, n_items)
        self.count(n_items, n_samples, seconds)

    def sum_up(self, figures: dict[str, float], n_items: int) -> None:
        """Add the figures of a batch to those of the epoch."""
        for name, value in figures.items():
            self.sums[name] = self.sums.get(name, 0.0) + value * n_items

    def count(self, n_items: int, n_samples: int, seconds: float, waited: float = 0.0) -> None:
        """Count a batch."""
        self.items += n_items
        self.heard += n_samples
        self.seconds += seconds
        self.waited += waited
        self.batch += 1
        self.step += 1

    def means(self) -> dict[str, float]:
        """Return the mean of each figure over the epoch's crops."""
        return {name: total / self.items for name, total in self.sums.items()}

    def close_epoch(self, row: dict[str, float]) -> None:
        """Add the row of an epoch and begin the next."""
        self.history.append(row)
        self.epoch += 1
        self.batch, self.items, self.seconds, self.waited, self.sums = 0, 0, 0.0, 0.0, {}

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> State:
        """Return the state of `to_dict`."""
        return cls(**content)
