"""Commands beside `kedro run`: what a person asks for and no pipeline does."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def fetch(arguments: Sequence[str]) -> None:
    """Run `bodysounds fetch CORPUS FOLDER`; where it fails, exit with one sentence and code 1."""
    from bodysounds.corpora.fetch import TERMS, fetch_cryceleb

    parser = argparse.ArgumentParser(
        prog="bodysounds fetch", description="Fetch a published corpus.", epilog=TERMS
    )
    parser.add_argument("corpus", choices=["cryceleb"], help="which corpus")
    parser.add_argument("folder", type=Path, help="where it goes; made where it is not there")
    asked = parser.parse_args(arguments)
    sys.stdout.write(f"{TERMS}\n")
    try:
        recordings = fetch_cryceleb(asked.folder)
    except (OSError, ValueError) as error:
        sys.exit(f"bodysounds fetch: {error}")
    except KeyboardInterrupt:
        sys.exit("bodysounds fetch: stopped; the same command goes on from here")
    sys.stdout.write(
        f"{asked.folder} holds CryCeleb2023, {recordings:,} recordings. Next: "
        f"kedro run --env=cryceleb --params raw={asked.folder}\n"
    )
