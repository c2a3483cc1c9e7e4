"""The front matter of a model card, as the Hugging Face Hub reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bodysounds.corpora.base import Corpus
from bodysounds.reporting.model_card_markdown import one_line
from bodysounds.reporting.words import interval
from bodysounds.types import Metrics

LICENCES = {
    "apache-2.0", "mit", "cc0-1.0", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0",
    "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0",
    "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "odbl", "pddl", "gpl-3.0", "bsd-3-clause",
}  # fmt: skip
"""Of the Hub's own list, those that recordings come under."""
OWN = ("table", "manifest")
"""Readers of a folder that is nobody's published corpus."""
ON_THE_HUB = {"cryceleb": "Ubenwa/CryCeleb2023"}
"""Where the owners themselves publish a corpus there, by reader."""
TYPES = {
    "macro_f1": "f1",
    "score": "icbhi_score",
    "se": "sensitivity",
    "sp": "specificity",
    "score_any": "icbhi_score_any_abnormality",
    "se_any": "sensitivity_any_abnormality",
}
"""What the Hub, or readers there, call a rate."""


def licence_id(licence: str) -> str:
    """Return the Hub's name of a licence, `other` for one that it has no name for."""
    name = re.sub(r"[\s_-]+", "-", one_line(licence).strip().lower())
    name = "odbl" if re.fullmatch(r"odbl(-v?1\.0)?", name) else name
    return name if name in LICENCES else "other"


def slug(text: str) -> str:
    """Return text as a name of lower-case letters, digits and hyphens, `unnamed` for none."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.") or "unnamed"


def front_matter(
    corpus: Corpus,
    task: str,
    *,
    pipeline_tag: str,
    tags: Sequence[str],
    subset: str,
    rates: Mapping[str, tuple[str, Metrics]],
    level: float,
) -> dict[str, Any]:
    """Return what stands between the dashes of a model card, as plain values.

    `rates` has, by its key, a rate's name and the entry that holds it (with its `_ci95` where there
    is one); those that are None are left out. The licence is that of the recordings: weights
    learnt from them are no freer.
    """
    known = licence_id(corpus.licence)
    named = {} if known != "other" or not corpus.licence else {
        "license_name": slug(one_line(corpus.licence)),
    }  # fmt: skip
    published = not corpus.synthetic and corpus.reader not in OWN
    dataset = ON_THE_HUB.get(corpus.reader, slug(corpus.name)) if published else None
    sound = " (synthetic sound)" if corpus.synthetic else ""
    metrics = [
        {
            "type": TYPES.get(kind, kind),
            "value": entry[kind],
            "name": f"{name}{_between(entry.get(f'{kind}_ci95'), level)}{sound}",
        }
        for kind, (name, entry) in rates.items()
        if entry.get(kind) is not None
    ]
    return {
        "license": known,
        **named,
        "library_name": "bodysounds",
        "pipeline_tag": pipeline_tag,
        "tags": ["audio", *tags, task.replace("_", "-")]
        + (["synthetic-data"] if corpus.synthetic else []),
        **({"datasets": [dataset]} if dataset else {}),
        "metrics": [metric["type"] for metric in metrics],
        "model-index": [
            {
                "name": f"{slug(corpus.name)}-{task.replace('_', '-')}",
                "results": [
                    {
                        "task": {"type": pipeline_tag, "name": task.replace("_", " ")},
                        "dataset": {
                            "type": dataset or slug(corpus.name),
                            "name": (one_line(corpus.name).strip() or "unnamed") + sound,
                            "split": subset,
                            "args": {"synthetic": corpus.synthetic},
                        },
                        "metrics": metrics,
                    }
                ],
            }
        ],
    }


def _between(ci: Sequence[float | None] | None, level: float) -> str:
    return f", {level:.0%} interval {interval(ci)}" if ci else ""
