"""Runs command lines one after the other, each in a fork that has everything imported.

A command as a process of its own would spend most of its time importing. Reads a JSON object a
line (words, folder, environment, log) from stdin, and answers
with the exit code and the seconds of work.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import runpy
import sys
import traceback
from pathlib import Path
from typing import Any


def import_the_heavy() -> None:
    """Import what commands import inside their functions."""
    for name in (
        "torch", "torch._dynamo", "torchaudio", "soundfile", "soxr", "pandas", "scipy.signal",
        "sklearn.linear_model", "matplotlib.pyplot", "matplotlib.backends.backend_pdf", "jinja2",
        "pyarrow.parquet", "safetensors.torch", "speechbrain.lobes.models.ECAPA_TDNN",
        "bodysounds.pipeline_registry", "kedro.framework.cli.cli", "kedro_datasets.json",
        "kedro_datasets.pandas", "kedro_datasets.text", "kedro_viz.integrations.kedro.hooks",
    ):  # fmt: skip
        importlib.import_module(name)


def draw_dots() -> None:
    """Let every figure be saved as a dot: saving them is a third of a run, and tested elsewhere."""
    from matplotlib.figure import Figure

    dots = {}
    for kind in ("png", "pdf", "svg"):
        dot = io.BytesIO()
        Figure(figsize=(0.1, 0.1)).savefig(dot, format=kind)
        dots[kind] = dot.getvalue()

    def savefig(_: Figure, where: Any, **how: Any) -> None:
        if hasattr(where, "write"):
            where.write(dots[how.get("format", "png")])
        else:
            Path(where).write_bytes(dots[Path(where).suffix.removeprefix(".")])

    Figure.savefig = savefig  # type: ignore[method-assign]


def dispatch(words: list[str]) -> None:
    """Run a command in this process, as its program would."""
    program, *arguments = words
    sys.argv = words
    if program == "kedro":
        from kedro.framework.cli.cli import main as kedro

        kedro()
    elif program == "bodysounds":
        from bodysounds.__main__ import main as bodysounds

        bodysounds(arguments)
    elif program == "python":
        sys.argv = arguments
        sys.path.insert(0, os.path.dirname(arguments[0]))
        runpy.run_path(arguments[0], run_name="__main__")
    else:
        raise ValueError(f"no {program} is run here")


def run(asked: dict[str, Any]) -> None:
    """Run a command in this process, with its output in a file, and end the process."""
    log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    code = 1
    try:
        os.chdir(asked["folder"])
        os.environ.update(asked["environment"])
        dispatch(asked["words"])
        code = 0
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(left.code is not None)
        if isinstance(left.code, str):
            sys.stderr.write(left.code + "\n")
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main() -> None:
    # what is imported may log to stdout, where the answers go
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import_the_heavy()
    draw_dots()
    for line in sys.stdin:
        child = os.fork()
        if not child:
            answers.close()
            run(json.loads(line))
        _, status, used = os.wait4(child, 0)
        code, seconds = os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime
        answers.write(json.dumps([code, seconds]) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
