"""What a split by patient decided, in numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bodysounds.corpora.base import some
from bodysounds.params.split_patients import SplitPatientsParams
from bodysounds.types import Metrics, Table

PARTS = ("train", "dev", "unseen_patient", "heard_patient")


def patient_facts(
    examples: Table,
    params: SplitPatientsParams,
    both: Sequence[str],
    left_out: Mapping[str, Sequence[str]],
) -> Metrics:
    """Return what was dealt, as plain values.

    by, protocol, strict, seed, folds, folds_from, chosen_on (dev or test); `counts` {class: {part:
    {patients, recordings, cycles}}}, where the parts are train, dev, and of test unseen_patient and
    heard_patient; `domains` {device: {part: cycles}}; `folds_patients` {class: [patients a fold]};
    `heard_patients`, those in train and in test; `left_out` {reason: recordings}; `warning`, what
    flatters, or None.
    """
    part = examples["subset"].where(examples["subset"] != "test", examples["condition"])
    named = examples.assign(part=part, domain=examples["domain"].astype(object).fillna("unknown"))
    labels = sorted(set(examples["label"]))
    return {
        "by": "patient",
        **{
            name: getattr(params, name)
            for name in ("protocol", "strict", "seed", "folds", "folds_from")
        },
        "chosen_on": "test" if params.protocol == "published" else "dev",
        "counts": {
            label: {
                name: _count(own[own["part"] == name])
                for own in [named[named["label"] == label]]
                for name in PARTS
            }
            for label in labels
        },
        "domains": {
            str(domain): {name: int((own["part"] == name).sum()) for name in PARTS}
            for domain, own in named.groupby("domain")
        },
        "folds_patients": {
            label: [int(own.loc[own["fold"] == k, "session_id"].nunique())
                    for k in range(params.folds)]
            for label in labels
            for own in [named[named["label"] == label]]
        },
        "heard_patients": list(both),
        "left_out": {reason: list(names) for reason, names in left_out.items()},
        "warning": _warning(named, params, both),
    }  # fmt: skip


def _count(own: Table) -> dict[str, int]:
    return {
        "patients": int(own["session_id"].nunique()),
        "recordings": int(own["recording_id"].nunique()),
        "cycles": len(own),
    }


def _warning(named: Table, params: SplitPatientsParams, both: Sequence[str]) -> str | None:
    told = []
    if params.protocol == "published":
        told.append(
            "The test half chose the epoch, as in the literature: every rate of test flatters."
        )
    if both:
        n = int((named["part"] == "heard_patient").sum())
        told.append(
            f"{len(both)} patient{'s are' if len(both) > 1 else ' is'} in train and in test "
            f"({some(both)}; {n} test cycles, rated apart as heard patients): "
            "split_patients.strict leaves them out (--params strict=true)."
        )
    return " ".join(told) or None
