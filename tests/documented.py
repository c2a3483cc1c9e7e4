"""The commands of README and docs: how they are found, filled in and run."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from conftest import PROJECT
from test_docs import PAGES, blocks_of, lines_of, spans_of

from bodysounds.commands import COMMANDS

PROGRAMS = (
    "kedro", "bodysounds", "bodysounds-client", "bodysounds-worker", "python", "pip", "pytest",
    "docker", "dask", "mkdir", "cp", "find", "jq", "if",
)  # fmt: skip
"""What commands begin with; what runs each, or why none does, test_doc_commands.py says."""

BLOCKS = {
    "": "commands, run here",
    "python": "run here",
    "ipython": "what is typed where a catalog is",
    "text": "what is printed, or a drawing",
}
"""What stands in a fenced block, by the language that it says."""


def without_variables(command: str) -> str:
    """Return a command without the variables that it sets."""
    return re.sub(r"^(?:[A-Z_]+=\S*\s+)+", "", command)


def is_command(span: str) -> bool:
    """Whether a span among words is a command, and no name, value or message.

    It begins with a program, of `PROGRAMS` or of this machine, or has an option, a path or a pipe
    after a word that might be one. What is a word of `bodysounds` alone is told beside its name.
    """
    program, *rest = without_variables(span).split() or [""]
    if not rest or program in COMMANDS or not re.fullmatch(r"[a-z.~/][\w.+~/-]*", program):
        return False
    given = any(re.match(r"--?[a-zA-Z]|[|<>]+$|(.*[a-z])?/\w", word) for word in rest)
    return program in PROGRAMS or given or shutil.which(program) is not None


def commands_of(page: Path) -> Iterator[str]:
    """Yield the commands of a page: each of a chain, without prompt and comment.

    They are the lines of its blocks without a language, those that are indented, and spans.
    """
    for line in [*lines_of(page, ""), *filter(is_command, spans_of(page))]:
        for part in re.sub(r"(^|\s+)#.*$", "", line).split(" && "):
            if command := part.strip().removeprefix("$ "):
                yield command


def documented() -> list[str]:
    """Return every command of README and docs once, in the order of the pages."""
    return list(dict.fromkeys(found for page in PAGES for found in commands_of(page)))


def python_blocks() -> list[tuple[str, str]]:
    """Return the fenced Python of README and docs: the page and number, and the code."""
    found = []
    for page in PAGES:
        blocks = [code for language, code in blocks_of(page) if language == "python"]
        found += [(f"{page.name}-{number}", code) for number, code in enumerate(blocks)]
    return found


@dataclass
class Places:
    """What stands in for the paths and names that a command leaves to its reader."""

    makers: Mapping[str, Callable[[Path], object]]
    """By what is written: a function that is given a path that isn't there, may make something at
    it, and may return what else is meant. The longest that fits is taken."""
    folder: Path
    made: dict[str, str] = field(default_factory=dict)

    def fill(self, command: str) -> str:
        """Return the command with something that exists for each of its placeholders."""
        names = sorted(self.makers, key=len, reverse=True)
        end = {name: "" if name.endswith("/") else r"(?![\w-])" for name in names}
        pattern = "|".join(rf"(?<![\w/.-]){re.escape(name)}{end[name]}" for name in names)
        return re.sub(pattern, lambda found: self.place(found[0]), command)

    def place(self, name: str) -> str:
        if name not in self.made:
            there = self.folder / re.sub(r"[^\w.=-]+", "_", name).strip("_")
            self.made[name] = str(self.makers[name](there) or there)
        return self.made[name]


def words_of(command: str) -> tuple[dict[str, str], list[str]]:
    """Return the variables that a command sets, and its words."""
    words = shlex.split(command)
    count = next(n for n, word in enumerate(words) if not re.match(r"[A-Z_]+=", word))
    return dict(word.split("=", 1) for word in words[:count]), words[count:]


@dataclass
class Runner:
    """Runs commands in a folder, one after the other."""

    project: Path
    server: subprocess.Popen[str]
    seconds: float = 0.0
    """Of work that the last command took."""

    def run(self, command: str, alone: bool = False) -> tuple[int, str]:
        """Return exit code and output; `alone` is a process of its own, as a shell starts one."""
        given, words = words_of(command)
        demo = {} if any(word.startswith("--env") for word in words) else {"KEDRO_ENV": "test"}
        environment = {**demo, **given}
        log = self.project / "output.log"
        if alone:
            python = [sys.executable]
            programs = {
                "kedro": [*python, "-m", "kedro"], "bodysounds": [*python, "-m", "bodysounds"],
                "python": python,
            }  # fmt: skip
            with log.open("wb") as output:
                code = subprocess.run(
                    [*programs.get(words[0], words[:1]), *words[1:]],
                    cwd=self.project, env={**os.environ, **environment}, check=False,
                    stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                ).returncode  # fmt: skip
            return code, log.read_text(errors="replace")
        asked = {"words": words, "environment": environment, "log": str(log)}
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.write(json.dumps({**asked, "folder": str(self.project)}) + "\n")
        self.server.stdin.flush()
        answer = self.server.stdout.readline()
        assert answer, "the server of commands has ended"
        code, self.seconds = json.loads(answer)
        return code, log.read_text(errors="replace")


@contextmanager
def started_runner(project: Path) -> Iterator[Runner]:
    """A runner of commands in a copy of the project, ended at the end."""
    with subprocess.Popen(
        [sys.executable, str(PROJECT / "tests/command_server.py")],
        cwd=project, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as server:  # fmt: skip
        # it ends when nothing more can be asked
        yield Runner(project, server)
