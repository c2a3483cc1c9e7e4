"""What every model card says of its recordings and of its making, ready to print."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from bodysounds.corpora.base import Corpus
from bodysounds.models.heard import heard_before
from bodysounds.reporting.cards import data_facts, model_facts, rejected_reasons
from bodysounds.reporting.model_card_front import licence_id
from bodysounds.types import Encoder, Table

ASKED = {"domain": "domains (device, platform or corpus)", "sex": "sexes", "age": "ages"}


def corpus_values(corpus: Corpus, manifest: Table, rejected: Table) -> dict[str, Any]:
    """Return what the template prints of a corpus: its facts, and what nobody wrote down."""
    unknown = [told for name, told in ASKED.items() if not manifest[name].notna().any()]
    single = {
        told: str(manifest[name].dropna().iloc[0])
        for name, told in ASKED.items()
        if manifest[name].nunique() == 1
    }
    return {
        "corpus": corpus,
        "mark": Markup(" (synthetic)" if corpus.synthetic else ""),
        "sound": "synthetic sound" if corpus.synthetic else "real recordings",
        "licence_named": licence_id(corpus.licence) != "other",
        "data_facts": data_facts(manifest),
        "unknown": " and ".join(filter(None, [", ".join(unknown[:-1]), *unknown[-1:]])),
        "single": single,
        "n_rejected": len(rejected),
        "rejected": rejected_reasons(rejected),
    }


def made_values(
    networks: Mapping[str, Encoder], record: Mapping[str, Any], manifest: Table, subsets: Table
) -> dict[str, Any]:
    """Return what the template prints of the networks, by name, and of the run."""
    return {
        "networks": {name: encoder_values(encoder) for name, encoder in networks.items()},
        "trained_here": all(trained_here(one, manifest, subsets) for one in networks.values()),
        "record": {"git": None, "devices": [], "data": {}, **record},
    }


def encoder_values(encoder: Encoder) -> dict[str, Any]:
    """Return the facts of an encoder by name, and the parameters that it was trained with."""
    facts = model_facts(encoder)
    facts.pop("Parameters", None)
    return {"facts": facts, "parameters": encoder.training.get("parameters")}


def trained_here(encoder: Encoder, manifest: Table, subsets: Table) -> bool:
    """Return whether an encoder has heard recordings of these train subjects."""
    taught = subsets[subsets["subset"] == "train"].assign(subset="test")
    return heard_before(encoder, manifest, taught)[0] > 0
