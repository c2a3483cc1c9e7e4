"""Commands beside `kedro run`: what a person asks for and no pipeline does.

Each is a module with `run(arguments) -> int`, its exit code: 0; 1 where the answer is no, or some
have none; 3 where there is no answer. What fails raises ValueError or OSError with one sentence; it
is told on stderr, and the exit code is 2. After Ctrl-C it is 130, and 141 where who reads has gone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module

FAILED, INTERRUPTED, PIPE_CLOSED = 2, 130, 141

COMMANDS = {
    "verify": ("A.wav B.wav --model BUNDLE", "do two recordings come from the same individual?"),
    "enrol": ("ID RECORDING... --gallery FILE", "add somebody to a gallery; --list: who is in it"),
    "identify": ("RECORDING... --gallery FILE", "who of a gallery is it, or somebody unknown?"),
    "classify": ("RECORDING... --model MODEL", "crying or screaming, crackles or wheezes?"),
    "embed": ("FOLDER --out embeddings.parquet", "a vector for each recording of a folder"),
    "init-corpus": ("FOLDER", "look at a folder of recordings, and write its table"),
    "compare": ("RUN RUN", "set two runs of a task beside each other"),
    "export": ("onnx|speechbrain MODEL OUT", "take a model elsewhere"),
    "fetch": ("cryceleb FOLDER", "download CryCeleb2023; voxceleb1: unpack VoxCeleb1"),
}
"""Each command by its name: what it is given, and what it does. `init-corpus` is init_corpus.py."""


def help_text() -> str:
    """Return what `bodysounds --help` shows of the commands."""
    rows = [(f"bodysounds {name} {given}", about) for name, (given, about) in COMMANDS.items()]
    rows.append(("bodysounds --pipelines=NAME [OPTIONS]", "run a pipeline, as `kedro run` does"))
    width = max(len(call) for call, _ in rows) + 2
    lines = [f"{call:<{width}}{about}" for call, about in rows]
    return "\n".join(
        [
            *lines,
            "",
            "Each command says more with --help. Exit codes: 0 done, or yes; 1 no, or not all;",
            "3 no answer, and why; 2 an error; 130 Ctrl-C; 141 who reads the output has gone.",
            "",
            "Such as:",
            "  bodysounds --pipelines=cry_verification               the demo, synthetic cries",
            "  bodysounds --pipelines=cry_verification --env=cryceleb --params=raw=FOLDER",
            "",
            "",
        ]
    )


def run_command(name: str, arguments: Sequence[str]) -> int:
    """Run a command and return its exit code; what fails is told in one sentence on stderr."""
    module = import_module(f"{__name__}.{name.replace('-', '_')}")
    try:
        code: int = module.run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except BrokenPipeError:  # who reads has enough, as `| head` has
        with suppress(AttributeError, OSError, ValueError):  # of callers whose stdout is no file
            stdout = sys.stdout.fileno()
            os.dup2(os.open(os.devnull, os.O_WRONLY), stdout)
        return PIPE_CLOSED
    except (OSError, ValueError) as error:
        sys.stderr.write(f"bodysounds {name}: {error}\n")
        return FAILED
    except KeyboardInterrupt as error:
        told = f"; {error}" if str(error) else ""
        sys.stderr.write(f"\nbodysounds {name}: stopped{told}\n")
        return INTERRUPTED
