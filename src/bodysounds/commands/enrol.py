"""`bodysounds enrol`: add somebody, or a folder of people, to a gallery, and say who is in it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from bodysounds.commands.answers import answers
from bodysounds.commands.models import model_path
from bodysounds.commands.shared import (
    ALL,
    command_parser,
    count,
    parsed,
    recordings_of,
    say,
    say_json,
    shown,
)

if TYPE_CHECKING:
    from bodysounds.verifier import Verifier

ABOUT = """\
Add somebody to a gallery, which is made where it is not there yet.

Recordings given together are joined to one reference, in the order given (those of a folder in the
order of their names), as the run joins the recordings of a side; --each makes every recording a
reference of its own. Who is enrolled already gets one more. --folder enrols many: each folder in it
is somebody, called as the folder is.

--list tells who is in a gallery, by how many references and of how many seconds. It needs no model;
with --model it is an error where the gallery is another's.

All or nothing: where one recording cannot be used, the gallery stays as it was.
Exit codes: 0 done; 2 an error.
"""
EXAMPLE = """\
such as:
  bodysounds enrol ana ana_1.wav ana_2.wav --gallery ward.safetensors \\
      --model data/06_models/demo/cry_verification/bundle
  bodysounds enrol --folder people --gallery ward.safetensors --model ...
  bodysounds enrol --list --gallery ward.safetensors
  bodysounds enrol --remove ana --gallery ward.safetensors --model ...
"""


def run(arguments: Sequence[str]) -> int:
    """Change or list a gallery and return 0; ValueError or OSError, and it is as it was."""
    asked = parsed(_parser(), arguments)
    if asked.gallery is None:
        raise ValueError("say which gallery with --gallery FILE, such as gallery.safetensors")
    gallery = asked.gallery.expanduser()
    if asked.id is not None and (asked.list or asked.remove is not None):
        raise ValueError("--list and --remove take no recordings: leave out the id and those")
    if asked.list:
        return _list(gallery, asked)
    model = model_path(asked.model, ("bundle",), "enrol")
    people = [] if asked.remove is not None else _people(asked)

    from bodysounds.verifier import Verifier

    verifier = Verifier.load(model, asked.device)
    before = _stamp(gallery)
    if gallery.exists() or asked.remove is not None:
        verifier.load_gallery(gallery)
    if asked.remove is not None:
        _remove(verifier, asked.remove, gallery)
        done = f"{asked.remove} removed"
    else:
        done = _enrol(verifier, people, asked.each)
    if _stamp(gallery) != before:
        raise ValueError(f"{shown(gallery)} was changed by another meanwhile: repeat the command")
    if len(verifier.gallery):
        gallery.parent.mkdir(parents=True, exist_ok=True)
        verifier.save_gallery(gallery)
    else:
        gallery.unlink()  # a gallery of nobody is none
    counts = verifier.gallery.counts
    if asked.json:
        say_json({"gallery": gallery, "individuals": len(counts), "references": counts})
        return ALL
    say(
        f"{done}; {shown(gallery)} holds {count(len(counts), 'individual')}, "
        f"{count(sum(counts.values()), 'reference')}"
    )
    return ALL


def _list(path: Path, asked: argparse.Namespace) -> int:
    """Say who is in a gallery; with a model, only where it is the gallery's."""
    from bodysounds.scoring.enrolled import load_gallery

    if asked.model is None:
        gallery = load_gallery(path)
    else:
        from bodysounds.verifier import Verifier

        verifier = Verifier.load(model_path(asked.model, ("bundle",), "enrol"), asked.device)
        verifier.load_gallery(path)
        gallery = verifier.gallery
    counts, seconds = gallery.counts, gallery.seconds
    if asked.json:
        individuals = len(counts)
        say_json({"gallery": path, "individuals": individuals, "references": counts,
                  "seconds": seconds})  # fmt: skip
        return ALL
    for who, references in counts.items():
        say(f"{shown(who)}: {count(references, 'reference')}, {seconds[who]:.1f} s")
    return ALL


def _remove(verifier: Verifier, who: str, gallery: Path) -> None:
    """Forget somebody; ValueError that says who is there instead."""
    known = verifier.gallery
    if who not in known:
        such = ", ".join(get_close_matches(who, known.ids, 5) or known.ids[:5])
        raise ValueError(
            f"{shown(who)} is not enrolled: {shown(gallery)} holds "
            f"{count(len(known), 'individual')}, such as {such}"
        )
    known.remove(who)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what tells one version of a file from another; None where it is not there."""
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_ino, about.st_mtime_ns, about.st_size


def _people(asked: argparse.Namespace) -> list[tuple[str, list[Path]]]:
    """Return whom to enrol, and by which recordings."""
    if asked.folder is None:
        if asked.id is None or not asked.recordings:
            raise ValueError(
                "say who and by which recordings, bodysounds enrol ID RECORDING..., or give a "
                "folder with a folder of recordings for each: --folder PEOPLE"
            )
        return [(asked.id, recordings_of(asked.recordings))]
    if asked.id is not None:
        raise ValueError("--folder says who is enrolled: leave out the id and the recordings")
    folder = asked.folder.expanduser()
    if not folder.is_dir():
        raise ValueError(f"{shown(folder)} is no folder: give one that has a folder for each")
    own = sorted(one for one in folder.iterdir() if one.is_dir() and one.name[0] not in "._")
    if not own:
        raise ValueError(f"{shown(folder)} has no folders: it takes a folder for each to enrol")
    return [(one.name, recordings_of([one])) for one in own]


def _enrol(verifier: Verifier, people: Sequence[tuple[str, list[Path]]], each: bool) -> str:
    """Enrol people; ValueError, after telling of every one who cannot be."""

    def add(one: tuple[str, list[Path]]) -> int:
        who, recordings = one
        for side in [[path] for path in recordings] if each else [recordings]:
            verifier.enrol(who, side)
        return len(recordings)

    failed: list[tuple[str, ValueError]] = []
    recordings = 0
    for (who, _), found in answers(add, people, "enrol"):
        if isinstance(found, ValueError):
            failed.append((who, found))
        else:
            recordings += found
    if len(people) == 1 and failed:
        raise failed[0][1]
    for who, error in failed:
        say(f"{shown(who)}: {error}", to_stderr=True)
    if failed:
        raise ValueError(
            f"{len(failed)} of {len(people)} cannot be enrolled, and nothing was written: take "
            "those recordings out and repeat"
        )
    who = people[0][0] if len(people) == 1 else count(len(people), "individual")
    return f"{shown(who)} enrolled by {count(recordings, 'recording')}"


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("enrol", ABOUT, EXAMPLE)
    parser.add_argument("id", nargs="?", metavar="ID", help="who it is")
    parser.add_argument(
        "recordings", nargs="*", metavar="RECORDING", help="files, and folders of them"
    )
    parser.add_argument(
        "--gallery", type=Path, metavar="FILE", help="the gallery, such as gallery.safetensors"
    )
    parser.add_argument("--each", action="store_true", help="a reference for each recording")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--folder", type=Path, metavar="PEOPLE", help="a folder for each to enrol")
    kinds.add_argument("--list", action="store_true", help="say who is in the gallery")
    kinds.add_argument("--remove", metavar="ID", help="forget somebody")
    return parser
