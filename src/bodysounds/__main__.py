"""`python -m bodysounds --pipelines=cry_verification`: run without the kedro command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the project's `kedro run` with the given arguments (default: the command line's)."""
    from kedro.framework.cli.utils import find_run_command
    from kedro.framework.project import configure_project

    package = Path(__file__).parent.name
    configure_project(package)
    run = find_run_command(package)
    run(list(arguments) if arguments is not None else sys.argv[1:])


if __name__ == "__main__":
    main()
