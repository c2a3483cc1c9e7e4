"""What the trainings of an ensemble's members share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bodysounds.params.rules import within
from bodysounds.params.train_base import TrainBaseParams


@dataclass(frozen=True)
class TrainMemberParams(TrainBaseParams):
    """A network that hears whole windows, and may start from published weights."""

    published: str | None = None
    """Path or name of the published weights to start from; null: random ones."""
    crop_s: float | None = None
    """Length of the random crop that training hears of each window (seconds), which moves it in
    time; null: the whole window."""
    background: list[dict[str, Any]] = field(default_factory=list)
    """At most one: with probability `p` a window has another one of the batch under it, of the
    class `label`, at a ratio drawn from `snr_db`, [low, high]."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.crop_s is not None:
            within(f"{self.stage}.crop_s", self.crop_s, 0.1, 60.0)
        check_background(self.background, f"{self.stage}.background")

    @property
    def start(self) -> str | None:
        """Path or name of the weights to start from; None: random ones."""
        return self.published


def check_background(background: Sequence[Mapping[str, Any]], name: str) -> None:
    """Raise ValueError unless this is at most one of a label, a probability, a range of ratios."""
    if len(background) > 1:
        raise ValueError(f"{name} must be a list of at most one, got {len(background)}")
    for own in background:
        if not isinstance(own, Mapping) or set(own) != {"label", "p", "snr_db"}:
            raise ValueError(f"{name}[] must have label, p and snr_db, got {own!r}")
        within(f"{name}[].p", own["p"], 0.0, 1.0)
        ratios = own["snr_db"]
        numbers = isinstance(ratios, Sequence) and all(isinstance(r, int | float) for r in ratios)
        if not numbers or len(ratios) != 2 or not ratios[0] <= ratios[1]:
            raise ValueError(f"{name}[].snr_db must be [low, high], got {ratios!r}")
