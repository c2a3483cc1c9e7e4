"""What a split by source decided, in numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bodysounds.params.split_sources import SplitSourcesParams
from bodysounds.types import Metrics, Table

PARTS = ("train", "dev", "unseen_source", "heard_source")


def source_facts(
    examples: Table,
    recordings: Table,
    params: SplitSourcesParams,
    left_out: Mapping[str, Sequence[str]],
) -> Metrics:
    """Return what was cut and dealt, as plain values.

    by, seed, window_s, hop_s, at_most, choose, short, folds; `counts` {class: {part: {sources,
    recordings, windows}}}, where the parts are train, dev, and of test unseen_source and
    heard_source; `domains` {domain: {class: windows}}; `folds_sources` {class: [sources a fold]};
    `filled` {class: recordings shorter than a window}; `left_out` {reason: ids}.
    """
    part = examples["subset"].where(examples["subset"] != "test", examples["condition"])
    counts: Metrics = {}
    for label in params.classes:
        own = examples[examples["label"] == label].assign(part=part)
        counts[label] = {name: _count(own[own["part"] == name]) for name in PARTS}
    train = examples[examples["subset"] == "train"]
    by_domain = examples.assign(domain=examples["domain"].astype(object).fillna("unknown"))
    short = recordings["duration_s"] < params.window_s - 0.001
    return {
        "by": "source",
        **{
            name: getattr(params, name)
            for name in ("seed", "window_s", "hop_s", "at_most", "choose", "short", "folds")
        },
        "counts": counts,
        "domains": {
            str(domain): {str(k): int(n) for k, n in own["label"].value_counts().items()}
            for domain, own in by_domain.groupby("domain")
        },
        "folds_sources": {
            label: [
                int(own.loc[own["fold"] == k, "session_id"].nunique()) for k in range(params.folds)
            ]
            for label in params.classes
            for own in [train[train["label"] == label]]
        },
        "filled": {
            label: int((short & (recordings["label"] == label)).sum()) for label in params.classes
        },
        "left_out": {reason: list(names) for reason, names in left_out.items()},
    }  # fmt: skip


def _count(own: Table) -> dict[str, int]:
    return {
        "sources": int(own["session_id"].nunique()),
        "recordings": int(own["recording_id"].nunique()),
        "windows": len(own),
    }
