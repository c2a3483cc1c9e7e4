"""The readers by name, and the one function that calls them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path

from bodysounds.corpora.base import Corpus, Listing, some, unknown_ids
from bodysounds.corpora.cry_scream import read_manifest
from bodysounds.corpora.cryceleb import read_cryceleb
from bodysounds.corpora.donateacry import read_donateacry
from bodysounds.corpora.emogator import read_emogator
from bodysounds.corpora.icbhi import read_icbhi
from bodysounds.corpora.table import read_table
from bodysounds.corpora.voxceleb import read_voxceleb
from bodysounds.corpora.zalo import read_zalo

READERS: Mapping[str, Callable[..., Listing]] = {
    "cryceleb": read_cryceleb,
    "donateacry": read_donateacry,
    "emogator": read_emogator,
    "voxceleb": read_voxceleb,
    "zalo": read_zalo,
    "icbhi": read_icbhi,
    "table": read_table,
    "manifest": read_manifest,
}


def list_recordings(corpus: Corpus) -> Listing:
    """Return what the corpus's reader finds; no recording is opened.

    Raises ValueError for an unknown reader, an option that it doesn't take, a folder that is not
    there, an empty corpus, and trials that name sides the corpus never had.
    """
    if corpus.reader not in READERS:
        raise ValueError(f"reader must be one of {', '.join(READERS)}, got {corpus.reader!r}")
    root = Path(corpus.root)
    if not root.is_dir():
        raise ValueError(
            f"the folder of recordings {root} is not there: name it with --params raw=/your/folder"
        )
    reader = READERS[corpus.reader]
    try:
        inspect.signature(reader).bind(root, **corpus.options)
    except TypeError as error:
        known = [name for name in inspect.signature(reader).parameters if name != "root"]
        raise ValueError(
            f"the reader {corpus.reader!r} takes the options {', '.join(known) or 'none'}: {error}"
        ) from error
    listing = reader(root, **corpus.options)
    if listing.recordings.empty:
        raise ValueError(
            f"{root} lists no recording of the corpus {corpus.name!r}: fill in its table, or name "
            "another folder with --params raw=/your/folder"
        )
    refuse_unknown_sides(listing)
    return listing


def refuse_unknown_sides(listing: Listing) -> None:
    """Raise ValueError that names the sides which trials name and the corpus never had."""
    sides = set(listing.sides["side_id"])
    trials = listing.listed_trials
    named = set(trials["enrol_id"]) | set(trials["test_id"])
    unknown = named - sides
    if unknown:
        raise ValueError(
            f"the trials name {len(unknown)} sides that the corpus doesn't have: "
            f"{unknown_ids(unknown, sides)}; they must be among {some(sorted(sides))}"
        )
