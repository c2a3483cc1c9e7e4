"""`bodysounds` and `python -m bodysounds`: `kedro run` without the kedro command, and `fetch`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `fetch`, or the project's `kedro run` with all of the arguments; without any, show help.

    `arguments` are the command line's by default: `fetch cryceleb FOLDER`, or those of `kedro run`,
    such as `--pipelines=cry_verification`. `--help` adds the options of `kedro run`.
    """
    given = list(arguments) if arguments is not None else sys.argv[1:]
    if given[:1] == ["fetch"]:
        from bodysounds.commands import fetch

        fetch(given[1:])
        return
    if not given or {"-h", "--help"} & set(given):
        from bodysounds.commands import HELP

        sys.stdout.write(HELP)
        sys.stdout.flush()
    if not given:
        return
    from kedro.framework.cli.utils import find_run_command
    from kedro.framework.project import configure_project

    package = Path(__file__).parent.name
    configure_project(package)
    run = find_run_command(package)
    run(given)


if __name__ == "__main__":
    main()
