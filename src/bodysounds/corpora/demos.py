"""The demo corpus of each task: what is synthesised, in which layout, and how it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bodysounds.corpora.base import Corpus
from bodysounds.corpora.demo import DemoParams, synthesise
from bodysounds.corpora.demo_cry_scream import CryScreamParams, synthesise_cry_scream
from bodysounds.corpora.demo_respiratory import RespiratoryParams, synthesise_respiratory
from bodysounds.corpora.demo_speakers import SpeakersParams
from bodysounds.corpora.demo_voxceleb import synthesise_voxceleb
from bodysounds.corpora.demo_zalo import ZaloParams, synthesise_zalo


@dataclass(frozen=True)
class Demo:
    """A synthesiser, its parameters, and the reader of its layout."""

    params: type[Any]
    synthesise: Callable[[Path, Any], None]
    reader: str


DEMOS: Mapping[str, Demo] = {
    "cry_verification": Demo(DemoParams, synthesise, "cryceleb"),
    "speaker_verification": Demo(ZaloParams, synthesise_zalo, "zalo"),
    "speaker_identification": Demo(SpeakersParams, synthesise_voxceleb, "voxceleb"),
    "cry_scream_ensemble": Demo(CryScreamParams, synthesise_cry_scream, "manifest"),
    "respiratory_scl": Demo(RespiratoryParams, synthesise_respiratory, "icbhi"),
}


def make_demo(task: str, folder: Path, options: Mapping[str, Mapping[str, Any]]) -> Corpus:
    """Make the demo corpus of a task in a folder, where it isn't there, and return it.

    `options` holds the fields of the parameters by task. Raises ValueError for a task without a
    demo, and for wrong parameters.
    """
    if task not in DEMOS or task not in options:
        known = [name for name in DEMOS if name in options]
        raise ValueError(
            f"the task {task!r} has no demo corpus, those with one are {', '.join(known) or 'none'}"
            ": name a corpus with --env and its folder with --params raw="
        )
    demo = DEMOS[task]
    try:
        params = demo.params(**options[task])
    except TypeError as error:
        raise ValueError(f"the demo of {task} has no such parameter: {error}") from error
    demo.synthesise(folder, params)
    return Corpus(root=folder, reader=demo.reader, name="demo", synthetic=True)
