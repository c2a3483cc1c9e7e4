"""`bodysounds` and `python -m bodysounds`: `kedro run` without its command, and other commands."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command, or the project's `kedro run` with all of the arguments; without any, help.

    `arguments` are the command line's by default: `verify a.wav b.wav --model BUNDLE`, or those of
    `kedro run`, such as `--pipelines=cry_verification`. `--help` adds the options of `kedro run`. A
    command whose exit code is not 0 ends by SystemExit.
    """
    from bodysounds.commands import COMMANDS, FAILED, help_text, run_command

    given = list(arguments) if arguments is not None else sys.argv[1:]
    if given and given[0] in COMMANDS:
        if code := run_command(given[0], given[1:]):
            sys.exit(code)
        return
    if given and not given[0].startswith("-"):
        known = ", ".join(COMMANDS)
        sys.stderr.write(
            f"bodysounds: there is no command {given[0]!r}; there are {known}, and --help\n"
        )
        sys.exit(FAILED)
    if not given or {"-h", "--help"} & set(given):
        sys.stdout.write(help_text())
        sys.stdout.flush()
    if not given:
        return
    from kedro.config import MissingConfigException
    from kedro.framework.cli.utils import find_run_command
    from kedro.framework.project import configure_project

    package = Path(__file__).parent.name
    configure_project(package)
    run = find_run_command(package)
    try:
        run(given)
    except MissingConfigException as error:
        sys.stderr.write(
            f"bodysounds: {error}: run where the folder conf/ lies (--env is a folder in it), or "
            f"name the archive that `kedro package` makes: --conf-source=conf-{package}.tar.gz\n"
        )
        sys.exit(FAILED)


if __name__ == "__main__":
    main()
