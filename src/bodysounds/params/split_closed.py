"""Parameters of `split_closed`."""

from __future__ import annotations

from dataclasses import dataclass

from bodysounds.params.rules import one_of, whole_numbers, within


@dataclass(frozen=True)
class SplitClosedParams:
    """Which clips of each speaker train, choose and test; the speakers are the same in all."""

    seed: int = 0
    by: str = "session"
    """`session` holds whole sessions out, and some clips of the train sessions beside them;
    `utterance` deals single clips, as the original did; `listed` takes the corpus's own split."""
    n_speakers: int | None = None
    """The first so many speakers by id, of those who can be split; null takes all."""
    train_size: float = 0.6
    """Share of a speaker's sessions (or clips) that train."""
    val_size: float = 0.2
    """Share that is dev; the rest is test."""
    heard_share: float = 0.2
    """With by: session, share of the train sessions' clips that is test too, to show what a system
    gains where it has heard the session."""
    resplit: bool = False
    """Draw a split of its own for this run, instead of the seed's; the seed drawn is recorded."""

    def __post_init__(self) -> None:
        whole_numbers("split_closed", self)
        one_of("split_closed.by", self.by, ("session", "utterance", "listed"))
        if self.n_speakers is not None:
            within("split_closed.n_speakers", self.n_speakers, 2, 10_000_000)
        within("split_closed.train_size", self.train_size, 0.01, 0.99)
        within("split_closed.val_size", self.val_size, 0.0, 0.98)
        if self.train_size + self.val_size >= 1:
            raise ValueError(
                "split_closed.train_size + split_closed.val_size must stay below 1, for the rest "
                f"is test, got {self.train_size} + {self.val_size}"
            )
        within("split_closed.heard_share", self.heard_share, 0.0, 0.9)
        one_of("split_closed.resplit", self.resplit, (True, False))
