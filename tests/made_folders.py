"""Folders of recordings in odd layouts, and what `init-corpus` makes of them."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from conftest import PROJECT
from kedro.config import OmegaConfigLoader
from made import voice

from bodysounds.commands.init_corpus import run
from bodysounds.corpora.base import Corpus, Listing
from bodysounds.corpora.registry import list_recordings

NAMES = ["anna", "ben", "carl", "dora", "eva", "fritz", "gina", "hans", "ines", "jan"]
EIGHT = NAMES[:8]


def listed(template: str, **values: Any) -> list[str]:
    """Return the template filled with every combination of values."""
    return [
        template.format(**dict(zip(values, one, strict=True)))
        for one in itertools.product(*values.values())
    ]


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")


def speak(folder: Path, paths: list[str]) -> None:
    """Write a short recording to each path, each other than all others."""
    rng = np.random.default_rng(0)
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        wave = voice(rng, rng.uniform(200, 900), rng.uniform(0.05, 1, 4), 0.4)
        soundfile.write(folder / path, wave, 16_000)


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def made_conf(folder: Path) -> Path:
    conf = folder / "conf"
    if not conf.exists():
        shutil.copytree(PROJECT / "conf/base", conf / "base")
    return conf


def init_corpus(folder: Path, recordings: Path, *options: str) -> Corpus:
    """Run the command and return the corpus that its environment describes, as kedro reads it."""
    conf = made_conf(folder)
    there = set(conf.iterdir())
    assert run([str(recordings), "--conf", str(conf), *options]) == 0
    (made,) = set(conf.iterdir()) - there
    raw = loader(conf, made.name)["catalog"]["{task}.raw"]
    return Corpus(Path(raw["filepath"]), raw["reader"], raw["name"], raw["options"])


def init(folder: Path, recordings: Path, *options: str) -> Listing:
    return list_recordings(init_corpus(folder, recordings, *options))


def loader(conf: Path, env: str) -> OmegaConfigLoader:
    return OmegaConfigLoader(
        str(conf), env=env, base_env="base", default_run_env=env, runtime_params={},
        merge_strategy={"parameters": "soft"},
    )  # fmt: skip
