"""`bodysounds fetch`: a published corpus, from where its owners keep it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

ABOUT = """\
Fetch a published corpus. What is there already is not fetched again.

Exit codes: 0 done; 2 an error, and the same command goes on from there.
"""
EXAMPLE = """\
such as:
  bodysounds fetch cryceleb data/01_raw/cryceleb
  bodysounds fetch voxceleb1 data/01_raw/voxceleb1 --from FOLDER
"""


def run(arguments: Sequence[str]) -> int:
    """Fetch a corpus and return 0; ValueError or OSError where it fails, with one sentence."""
    asked = _parser().parse_args(arguments)
    sys.stdout.write(f"{asked.terms}\n")
    try:
        done = asked.run(asked)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the same command goes on from here") from None
    sys.stdout.write(f"{done}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    from bodysounds.corpora import fetch as cryceleb
    from bodysounds.corpora import fetch_voxceleb as voxceleb

    parser = argparse.ArgumentParser(
        prog="bodysounds fetch",
        description=ABOUT,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    corpora = parser.add_subparsers(dest="corpus", required=True, metavar="CORPUS")
    cries = corpora.add_parser("cryceleb", help="CryCeleb2023", epilog=cryceleb.TERMS)
    cries.set_defaults(run=_cryceleb, terms=cryceleb.TERMS)
    speakers = corpora.add_parser("voxceleb1", help="VoxCeleb1", epilog=voxceleb.TERMS)
    speakers.set_defaults(run=_voxceleb1, terms=voxceleb.TERMS)
    for one in (cries, speakers):
        one.add_argument("folder", type=Path, help="where it goes; made where it is not there")
    speakers.add_argument(
        "--from", dest="source", metavar="URL_OR_FOLDER",
        help="where the files are; without it they are looked for in the folder",
    )  # fmt: skip
    speakers.add_argument(
        "--tables", metavar="URL",
        help="where the tables are, where --from is a URL; by default the owners' page",
    )  # fmt: skip
    speakers.add_argument(
        "--user", default=os.environ.get("VOXCELEB_USER"),
        help="user's name, by default VOXCELEB_USER; the password is read from VOXCELEB_PASSWORD",
    )  # fmt: skip
    speakers.add_argument(
        "--md5", type=Path, metavar="FILE",
        help="md5 sums as md5sum writes them, in the place of the known ones",
    )  # fmt: skip
    speakers.add_argument("--only", choices=list(voxceleb.ARCHIVES), help="one of the archives")
    return parser


def _cryceleb(asked: argparse.Namespace) -> str:
    from bodysounds.corpora.fetch import fetch_cryceleb

    recordings = fetch_cryceleb(asked.folder)
    return (
        f"{asked.folder} holds CryCeleb2023, {recordings:,} recordings. Next: "
        f"kedro run --env=cryceleb --params raw={asked.folder}"
    )


def _voxceleb1(asked: argparse.Namespace) -> str:
    from bodysounds.corpora.fetch_voxceleb import SUMS, Source, fetch_voxceleb1, read_sums

    password = os.environ.get("VOXCELEB_PASSWORD")
    if asked.user and password is None:
        raise ValueError(f"set VOXCELEB_PASSWORD to the password of the user {asked.user}")
    source = Source(
        address=asked.source,
        tables=asked.tables or Source.tables,
        login=(asked.user, password) if asked.user and password is not None else None,
        sums=read_sums(asked.md5) if asked.md5 else SUMS,
        parts=(asked.only,) if asked.only else Source.parts,
    )
    recordings = fetch_voxceleb1(asked.folder, source)
    return (
        f"{asked.folder} holds {recordings:,} of the 153,516 recordings of VoxCeleb1. Next: "
        f"kedro run --pipelines=speaker_identification --env=voxceleb --params raw={asked.folder}"
    )
