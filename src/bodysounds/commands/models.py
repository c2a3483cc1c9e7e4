"""Which model a command asks, and which there are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bodysounds.commands.shared import shown


def model_path(given: Path | None, names: Sequence[str], command: str) -> Path:
    """Return the model that was given; of a task's folder, the first of the entries `names`.

    Raises ValueError where there is none, with those of the current folder and what to type, and
    for a folder of several tasks.
    """
    if given is None:
        raise ValueError(f"say which model with --model{_suggested(names, command)}")
    path = given.expanduser()
    if not path.exists():
        raise ValueError(f"there is no model {path}{_suggested(names, command)}")
    own = next((path / name for name in names if (path / name).is_dir()), None)
    # an entry below, with its versions: a version's own folder has none
    below = [f"{tasks}{name}/*/{name}" for name in names for tasks in ("*/", "*/*/")]
    if own is None and (found := [one.parent.parent for p in below for one in path.glob(p)]):
        none = f", and holds none that `bodysounds {command}` takes"
        raise ValueError(f"{shown(path)} is no one model{_listed(found, command) or none}")
    return own or path


def _suggested(names: Sequence[str], command: str) -> str:
    models = Path("data", "06_models")
    return _listed([path for name in names for path in models.glob(f"*/*/{name}")], command) or (
        f"; {models} holds none: a run of a pipeline, such as cry_verification, saves one"
    )


def _listed(paths: Sequence[Path], command: str) -> str:
    found = sorted({path for path in paths if _is_for(path, command)})
    return "; there are" + "".join(f"\n  --model {path}" for path in found) if found else ""


def _is_for(path: Path, command: str) -> bool:
    """Return whether a bundle, of a verifier or an ensemble, is one that the command asks."""
    mark = "ensemble.json" if command == "classify" else "verifier.json"
    return path.name != "bundle" or any(path.glob(f"*/*/{mark}"))
