"""An encoder as a folder that SpeechBrain loads, with nothing of this package in it."""

from __future__ import annotations

import logging
import shutil
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from bodysounds.exporting.logs import muted
from bodysounds.exporting.parity import Float32s, difference, sounds
from bodysounds.exporting.speechbrain_text import (
    MODULE,
    interface_text,
    own_classes,
    settings_text,
)
from bodysounds.models.encoder import Encoder, network, state_sha256
from bodysounds.models.folders import new_folder
from bodysounds.models.pretrained import SETTINGS, WEIGHTS
from bodysounds.scoring.embed_batches import SHORTEST_S

PARITY = 1e-5


def export_speechbrain(
    encoder: Encoder, folder: str | Path, about: Mapping[str, Any] | None = None
) -> float:
    """Write an encoder as a folder for SpeechBrain's EncoderClassifier, all or nothing; check it.

    `EncoderClassifier.from_hparams(source=folder, savedir=...)` loads it, and encode_batch returns
    the encoder's embeddings (batch, 1, dim), of no set length; SpeakerRecognition's verify_batch
    compares them by their cosine. An ECAPA-TDNN whose features lose each band's mean needs
    SpeechBrain alone, and `models.encoder.load_encoder` reads it back. A backend, or another mean,
    comes with bodysounds_interface.py: `speechbrain.inference.interfaces.foreign_class(
    source=folder, pymodule_file="bodysounds_interface.py", classname="EncoderClassifier",
    savedir=...)` loads it. Waveforms below a quarter of a second are not repeated there.

    Parameters
    ----------
    encoder : Encoder
        Of the architecture ecapa, with a backend or without, and the front end speechbrain.
    folder : path of a folder that is not there yet
    about : mapping, optional
        Plain JSON values, such as threshold and calibration; with sha256, of the weights, they
        stand in hyperparams.yaml as `about`.

    Returns
    -------
    parity : float
        Largest difference between numbers of unit embeddings by SpeechBrain and by this package in
        float32, over many lengths, batches and levels; at most 1e-5.

    Raises ValueError for another encoder, for a folder that exists, and, leaving none, where
    SpeechBrain embeds otherwise.
    """
    check_exported(encoder)
    network(encoder)
    folder = Path(folder).expanduser()
    with new_folder(folder, "an exported encoder") as partial:
        write_files(encoder, partial, about or {})
        parity = speechbrain_parity(encoder, partial)
        if not parity <= PARITY:
            raise ValueError(
                f"{folder} was not written: SpeechBrain's embeddings differ by up to {parity:.2g} "
                f"from this package's, and {PARITY:g} is allowed: report the encoder's "
                f"architecture {encoder.architecture} and the version of speechbrain"
            )
        shutil.rmtree(partial / "__pycache__", ignore_errors=True)
    return parity


def check_exported(encoder: Encoder) -> None:
    """Raise ValueError for an encoder that SpeechBrain has no front end or no network for."""
    architecture = encoder.architecture
    body = architecture["network"] if architecture["name"] == "backend" else architecture
    heard = encoder.front_end["name"]
    if body["name"] != "ecapa" or heard != "speechbrain":
        raise ValueError(
            f"an encoder of the architecture {body['name']!r} with the front end {heard!r} cannot "
            "be exported to SpeechBrain, only ecapa with the front end speechbrain: export it as "
            "ONNX"
        )


def write_files(encoder: Encoder, folder: Path, about: Mapping[str, Any]) -> None:
    """Write what the folder holds: settings, weights, a mean of zero, and classes where needed."""
    facts = {**about, "sha256": state_sha256(encoder.state)}
    (folder / SETTINGS).write_text(settings_text(encoder, facts), encoding="utf-8")
    torch.save(dict(encoder.state), folder / WEIGHTS)
    dim = int(encoder.architecture["dim"])
    mean = {"count": 1, "glob_mean": torch.zeros(dim), "glob_std": torch.ones(dim)}
    torch.save({**mean, "spk_dict_mean": {}}, folder / "mean_var_norm_emb.ckpt")
    if own_classes(encoder):
        (folder / f"{MODULE}.py").write_text(interface_text(), encoding="utf-8")


def load_speechbrain(folder: Path, savedir: Path | None = None) -> Any:
    """Return SpeechBrain's SpeakerRecognition, an EncoderClassifier, of an exported folder."""
    from bodysounds import _speechbrain  # noqa: F401 (before all that imports SpeechBrain)

    with warnings.catch_warnings(), muted(logging.INFO):
        # SpeechBrain's imports warn of torch's and torchaudio's ways
        warnings.simplefilter("ignore")
        from speechbrain.inference.interfaces import foreign_class
        from speechbrain.inference.speaker import SpeakerRecognition

        where = {"source": str(folder), "savedir": savedir and str(savedir)}
        if not (folder / f"{MODULE}.py").is_file():
            return SpeakerRecognition.from_hparams(**where)
        before = list(sys.path)
        try:
            return foreign_class(
                pymodule_file=f"{MODULE}.py", classname="SpeakerRecognition", **where
            )
        finally:
            # it leaves the folder there, and the folder may go
            sys.path[:] = before
            sys.modules.pop(MODULE, None)


def speechbrain_parity(
    encoder: Encoder, folder: Path, batches: list[Float32s] | None = None
) -> float:
    """Return the largest difference between SpeechBrain's unit embeddings and this package's."""
    theirs = load_speechbrain(folder)

    def embed(batch: Float32s) -> Any:
        with torch.inference_mode():
            found = theirs.encode_batch(torch.from_numpy(batch)).squeeze(1)
        return torch.nn.functional.normalize(found).numpy()

    if batches is None:
        batches = sounds(int(encoder.front_end["sample_rate"]), SHORTEST_S)
    return difference(encoder, embed, batches)
