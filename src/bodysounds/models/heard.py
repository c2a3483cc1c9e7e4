"""Which recordings an encoder has heard, so that nobody rates it on them unawares."""

from __future__ import annotations

from dataclasses import replace

from bodysounds.models.encoder import Encoder
from bodysounds.types import Table

DIGITS = 16
"""Of the sha256 of a recording, in hex: enough to tell a billion recordings apart."""
TAUGHT = ("train", "dev")


def remember(encoder: Encoder, manifest: Table, subsets: Table, init: Encoder | None) -> Encoder:
    """Return the encoder with the recordings of train and dev in its training record.

    Train taught it, and dev chose its epoch. Those that `init` had heard are added.
    """
    before = set(init.training.get("heard", ())) if init else set()
    heard = sorted(before | _contents(manifest, subsets, TAUGHT))
    return replace(encoder, training={**encoder.training, "heard": heard})


def heard_before(encoder: Encoder, manifest: Table, subsets: Table) -> tuple[int, int]:
    """Return how many of the recordings of test the encoder has heard, and how many there are."""
    tested = _contents(manifest, subsets, ("test",))
    return len(tested & set(encoder.training.get("heard", ()))), len(tested)


def warning_of(encoder: Encoder, manifest: Table, subsets: Table) -> str | None:
    """Return a sentence where the encoder has heard recordings of test, else None."""
    heard, count = heard_before(encoder, manifest, subsets)
    if not heard:
        return None
    return (
        f"This encoder has heard {heard:,} of the {count:,} test recordings while it was trained "
        "or chosen: its error rates here are not those on what is new to it."
    )


def _contents(manifest: Table, subsets: Table, wanted: tuple[str, ...]) -> set[str]:
    chosen = subsets.loc[subsets["subset"].isin(wanted), "recording_id"]
    own = manifest[manifest["recording_id"].isin(chosen)]
    return set(own["sha256"].str[:DIGITS])
