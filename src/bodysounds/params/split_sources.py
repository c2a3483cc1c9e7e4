"""Parameters of `split_sources`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bodysounds.params.rules import one_of, whole_numbers, within


@dataclass(frozen=True)
class SplitSourcesParams:
    """How recordings are cut into windows, and which sources train, choose and test."""

    seed: int = 0
    classes: Sequence[str] = field(default_factory=lambda: ["crying", "screaming", "normal"])
    """Each must have sources in train, dev and test; a recording of another is refused."""
    train_size: float = 0.7
    """Share of each class's sources that train."""
    val_size: float = 0.15
    """Share that is dev; the rest is test."""
    folds: int = 3
    """Parts into which the train sources are dealt too, for out-of-fold predictions."""
    heard_share: float = 0.1
    """Share of each class's train windows that is test too, though their sources are heard: what a
    split by segment would have tested."""
    window_s: float = 5.0
    """Length of every window (seconds), whatever the class."""
    hop_s: float = 2.5
    """The least distance between the starts of two windows of a recording (seconds)."""
    at_most: int | None = None
    """Windows a recording; null takes as many as hop_s allows."""
    choose: str = "loudest"
    """`loudest` windows first, those of most energy; `spread` evenly over the recording; `first`
    from its start."""
    short: str = "repeat"
    """A recording shorter than a window: `drop` it, fill it with `zeros`, or `repeat` it."""
    workers: int = 0
    """Threads that decode for `loudest`; 0 takes every core."""

    def __post_init__(self) -> None:
        whole_numbers("split_sources", self)
        if isinstance(self.classes, str) or len(set(self.classes)) < 2:
            raise ValueError(
                f"split_sources.classes must be a list of two classes or more, got {self.classes!r}"
            )
        if not all(isinstance(name, str) for name in self.classes):
            raise ValueError(
                f"split_sources.classes must be texts, got {self.classes!r}: put numbers, and what "
                "YAML takes for true or false, in quotes"
            )
        within("split_sources.train_size", self.train_size, 0.01, 0.99)
        within("split_sources.val_size", self.val_size, 0.01, 0.98)
        if self.train_size + self.val_size >= 1:
            raise ValueError(
                "split_sources.train_size + split_sources.val_size must stay below 1, for the rest "
                f"is test, got {self.train_size} + {self.val_size}"
            )
        within("split_sources.folds", self.folds, 2, 100)
        within("split_sources.heard_share", self.heard_share, 0.0, 0.5)
        within("split_sources.window_s", self.window_s, 0.1, 3600.0)
        within("split_sources.hop_s", self.hop_s, 0.02, 3600.0)
        if self.at_most is not None:
            within("split_sources.at_most", self.at_most, 1, 1_000_000)
        one_of("split_sources.choose", self.choose, ("loudest", "spread", "first"))
        one_of("split_sources.short", self.short, ("drop", "zeros", "repeat"))
        within("split_sources.workers", self.workers, 0, 1024)
