"""The folder of a verifier: an encoder, what its scores mean, and the cohort that they take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from bodysounds.models.encoder import Encoder, load_encoder, save_encoder, state_sha256
from bodysounds.models.folders import new_folder, newest_folder, read_about, write_about
from bodysounds.models.network import embedding_dim
from bodysounds.models.stored import read_stored, write_stored
from bodysounds.models.verifier_about import check_about, needs_cohort
from bodysounds.types import Metrics

FORMAT = "bodysounds.verifier/1"
FILE, ENCODER, COHORT, CARD = (
    "verifier.json", "encoder.safetensors", "cohort.safetensors", "README.md",
)  # fmt: skip
AGAIN = "give a folder that the stage bundle saved, whole"

Float32s = npt.NDArray[np.float32]


@dataclass(frozen=True)
class VerifierBundle:
    """All that a verification takes."""

    encoder: Encoder
    about: Metrics
    """What `models.verifier_about.about_verifier` says; plain JSON values."""
    cohort: Float32s | None = None
    """Means of train subjects (n, dim), at unit length, where scores are normalised or centred."""
    card: str = ""
    """The model card, Markdown."""


def save_verifier(path: str | Path, bundle: VerifierBundle) -> None:
    """Write the folder `path`, which is not there yet, all or nothing; equal ones are equal bytes.

    It holds verifier.json (`about` and the sha256 of the weights), encoder.safetensors, README.md
    and, where there is a cohort, cohort.safetensors.
    """
    with new_folder(path, "a verifier") as partial:
        cohort = _cohort_state(bundle.cohort)
        sha256 = {"encoder": state_sha256(bundle.encoder.state)}
        if cohort:
            sha256["cohort"] = state_sha256(cohort)
            write_stored(partial / COHORT, cohort, {"format": FORMAT})
        save_encoder(partial / ENCODER, bundle.encoder)
        (partial / CARD).write_text(bundle.card, encoding="utf-8")
        write_about(partial / FILE, {**bundle.about, "format": FORMAT, "sha256": sha256})


def load_verifier(path: str | Path) -> VerifierBundle:
    """Return the verifier of a bundle's folder, or of the latest version below a folder.

    Its `about` has the sha256 of the weights too. Raises ValueError that names the file, and the
    way out, where there is none, where verifier.json is no JSON, lacks something or says what
    cannot be followed, and where weights are missing, cut short or not those it was saved with.
    """
    folder = newest_folder(Path(path).expanduser(), FILE, AGAIN)
    about = read_about(folder / FILE, FORMAT, AGAIN)
    check_about(about, folder / FILE, AGAIN)
    encoder = load_encoder(_encoder_file(folder))
    if state_sha256(encoder.state) != about["sha256"]["encoder"]:
        raise ValueError(f"{folder / ENCODER} is not the encoder that {FILE} speaks of: {AGAIN}")
    dim = embedding_dim(encoder.architecture)
    cohort = _load_cohort(folder, about, dim) if needs_cohort(about) else None
    card = folder / CARD
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    return VerifierBundle(encoder, about, cohort, text)


def bundled_encoder(path: Path) -> Path | None:
    """Return the file of the encoder in a verifier's folder, or in the latest version below one.

    None where the path is neither. Raises ValueError for a bundle that lacks it, and as
    `newest_folder` for several without versions.
    """
    below = (path.glob(pattern) for pattern in (FILE, f"*/{FILE}", f"*/*/{FILE}"))
    if not path.is_dir() or not any(any(found) for found in below):
        return None
    return _encoder_file(newest_folder(path, FILE, AGAIN))


def _encoder_file(folder: Path) -> Path:
    if not (folder / ENCODER).is_file():
        raise ValueError(f"{folder} lacks its {ENCODER}: {AGAIN}")
    return folder / ENCODER


def _cohort_state(cohort: Float32s | None) -> dict[str, torch.Tensor]:
    return {} if cohort is None else {"cohort": torch.tensor(cohort, dtype=torch.float32)}


def _load_cohort(folder: Path, about: Metrics, dim: int) -> Float32s:
    file = folder / COHORT
    if not file.is_file():
        raise ValueError(f"{folder} lacks its {COHORT}: {AGAIN}")
    state, _ = read_stored(file, AGAIN)
    if state_sha256(state) != about["sha256"].get("cohort"):
        raise ValueError(f"{file} is not the cohort that {FILE} speaks of: {AGAIN}")
    found = state.get("cohort")
    table = found is not None and found.dtype == torch.float32 and found.ndim == 2
    if found is None or not table or found.shape[0] < 2 or found.shape[1] != dim:
        raise ValueError(f"{file} must hold a table of at least 2 x {dim} float32: {AGAIN}")
    if not found.isfinite().all():
        raise ValueError(f"{file} must hold finite numbers: {AGAIN}")
    cohort: Float32s = found.numpy()
    return cohort
