"""Nodes of `recipe`."""

from __future__ import annotations

from bodysounds.types import Table


def gather(scores: Table, *others: Table, names: tuple[str, ...]) -> Table:
    """Return the scores of the first recipe and its baselines, and of each other recipe by name."""
    import pandas as pd

    named = [
        part.assign(system=pd.Series(name, part.index, dtype="str"))
        for name, part in zip(names, others, strict=True)
    ]
    return pd.concat([scores, *named], ignore_index=True)
