"""Start from the weights of another encoder."""

from __future__ import annotations

import logging
from typing import Any

from bodysounds.models.encoder import Encoder, state_sha256
from bodysounds.models.network import EmbeddingNetwork
from bodysounds.models.transfer import load_weights

log = logging.getLogger(__name__)


def start_from(
    module: EmbeddingNetwork, init: Encoder, front_end: dict[str, Any], strict: bool
) -> dict[str, Any]:
    """Load the weights of another encoder and return what came over, for the training record.

    Parameters
    ----------
    front_end : dict
        The module's own; the other's must be the same where `strict`, and is only compared, with
        a warning, otherwise.
    strict : bool
        Whether every weight must match; otherwise those that do are loaded.

    Returns sha256 of the weights, strict, and the lists matched, missing and skipped. Raises
    ValueError that says what does not fit.
    """
    if init.front_end != front_end:
        words = (
            f"init_from heard by the front end {init.front_end}, train_embedding asks for "
            f"{front_end}"
        )
        if strict:
            raise ValueError(f"{words}: make the two equal, or give init_strict: false")
        log.warning("%s: its weights are loaded all the same", words)
    try:
        loaded = load_weights(module.body, init.state, strict)
    except ValueError as error:
        raise ValueError(
            f"init_from is {init.architecture} and does not fit train_embedding: {error}"
        ) from error
    # where all must match, hundreds of names say nothing; the training record has them anyway
    named = "" if strict else f": {_listed(loaded.matched)}"
    log.info("init_from: %d weights matched%s", len(loaded.matched), named)
    log.info("init_from: missing: %s", _listed(loaded.missing))
    log.info("init_from: skipped: %s", _listed(loaded.skipped))
    return {
        "sha256": state_sha256(init.state),
        "strict": strict,
        "matched": list(loaded.matched),
        "missing": list(loaded.missing),
        "skipped": list(loaded.skipped),
    }


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none"
