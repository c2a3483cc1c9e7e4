"""What made a result: command, versions, machine, and hashes of the data."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodysounds import __version__
from bodysounds.types import Table

if TYPE_CHECKING:
    from bodysounds.audio.packed import Packed

PACKAGES = (
    "kedro", "torch", "torchaudio", "speechbrain", "numpy", "scipy", "pandas", "pyarrow",
    "scikit-learn", "soundfile", "soxr", "matplotlib", "safetensors",
)  # fmt: skip


ASKED = ("run_id", "env", "pipeline_names", "runtime_params")
PARTS = (
    "tags", "namespaces", "node_names", "from_nodes", "to_nodes", "from_inputs", "to_outputs",
    "load_versions", "only_missing_outputs",
)  # fmt: skip


def run_record() -> dict[str, Any]:
    """Return command, versions, git commit (None outside a clone) and machine, as plain values."""
    return {
        "command": command(),
        "bodysounds": __version__,
        "python": platform.python_version(),
        "packages": package_versions(),
        "git": git_state(Path(__file__).parent),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "devices": device_names(),
    }


def command() -> str:
    """Return the command line of this process, as one would type it."""
    program = Path(sys.argv[0])
    module = program.name == "__main__.py"  # Kedro itself says `python -m kedro`
    called = f"python -m {program.parent.name}" if module else program.name
    return f"{called} {shlex.join(sys.argv[1:])}".rstrip()


def run_of(run_params: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run was asked for, of what Kedro tells its hooks: a part of it, if it was."""
    found = {name: run_params.get(name) for name in ASKED}
    parts = {name: run_params[name] for name in PARTS if run_params.get(name)}
    # <kedro.runner.sequential_runner.SequentialRunner object at 0x...>
    named, _, _ = str(run_params.get("runner")).partition(" object at ")
    return found | parts | {"runner": named.rpartition(".")[2]}


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that make numbers, where they are installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def git_state(folder: Path) -> dict[str, Any] | None:
    """Return commit and whether tracked files were changed; None where git knows no commit."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
        return done.stdout.strip()

    try:
        # an installed package may lie inside somebody else's repository
        git("ls-files", "--error-unmatch", Path(__file__).name)
        changed = git("status", "--porcelain", "--untracked-files=no")
        return {"commit": git("rev-parse", "HEAD"), "changed": bool(changed)}
    except (OSError, subprocess.SubprocessError):
        return None


def device_names() -> list[str]:
    """Return the names of the CUDA devices; torch is asked only where it is loaded already."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return []
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


def data_hashes(manifest: Table | None = None, waveforms: Packed | None = None) -> dict[str, Any]:
    """Return sha256 digests of what went in: the recordings' own, and the packed samples."""
    hashes: dict[str, Any] = {}
    if manifest is not None:
        lines = sorted(f"{row.path} {row.sha256}" for row in manifest.itertuples())
        hashes["recordings"] = len(manifest)
        hashes["recordings_sha256"] = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    if waveforms is not None:
        hashes["samples"] = len(waveforms.samples)
        hashes["samples_sha256"] = hashlib.sha256(waveforms.samples.data).hexdigest()
    return hashes
