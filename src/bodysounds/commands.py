"""Commands beside `kedro run`: what a person asks for and no pipeline does."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

HELP = """\
bodysounds --pipelines=NAME [OPTIONS]  run a pipeline in the project's folder, as `kedro run` does
bodysounds fetch cryceleb FOLDER       download CryCeleb2023; needs an account of Hugging Face
bodysounds --help                      list the options of a run

Such as:
  bodysounds --pipelines=cry_verification                the demo, synthetic cries
  bodysounds --pipelines=cry_verification --env=cryceleb --params=raw=FOLDER

"""


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
