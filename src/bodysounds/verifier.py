"""Whether two sounds come from one subject, and who was heard, by a bundle from its folder."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from math import isfinite
from numbers import Integral, Real
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bodysounds.models.verifier import VerifierBundle, load_verifier
from bodysounds.models.verifier_about import calibration_of
from bodysounds.scoring.enrolled import Gallery, checked_id, load_gallery, save_gallery
from bodysounds.scoring.given_side import Recording, Side
from bodysounds.scoring.hearing import Hearing
from bodysounds.scoring.normalise import centre
from bodysounds.scoring.verdicts import Candidate, Heard, Identification, Verification
from bodysounds.scoring.verifying import pair_llrs, pair_scores, probability_of

log = logging.getLogger(__name__)

Float32s = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]


class Verifier:
    """A trained encoder with what its scores mean, that is given recordings.

    A recording is a path, the bytes of a file, a binary file object, an array with its rate as
    (array, Hz), or an array with `sample_rate=`: (n,) or (n, channels), full scale 1 (integers:
    that of their type). A side is one recording, or a list of them, which are heard one after the
    other as one. Channels are averaged and any rate is converted.

    Scores are those that the run gave its trials of the same recordings, but for rounding: within
    1e-6 of a cosine in float32, and some 3e-3 where only the run or only this machine listens in
    bfloat16 (see `score_pairs.precision`). What was asked before changes none. There is no answer
    for a side that is too short, or of which a recording is silent or clipped.

    >>> verifier = Verifier.load("bundle")  # doctest: +SKIP
    >>> verifier.verify("monday.wav", ["friday_1.wav", "friday_2.wav"]).same  # doctest: +SKIP
    True
    """

    def __init__(self, bundle: VerifierBundle, device: str = "auto"):
        self.bundle = bundle
        self.about = bundle.about
        self.gallery = Gallery()
        self._hearing = Hearing(bundle, device)
        self._calibration = calibration_of(bundle.about)
        centred, cohort = bundle.about["centred"], bundle.cohort
        self._cohort = None
        if bundle.about["score"] == "normalised" and cohort is not None:
            self._cohort = centre(cohort, cohort) if centred else cohort
        for limit in bundle.about["limits"][1:]:
            log.warning("%s", limit)

    def __repr__(self) -> str:
        about = self.about
        return (
            f"<Verifier: {about['task']} on {about['corpus'].get('name')}, {about['score']} score, "
            f"threshold {self.threshold:.4g}, {len(self.gallery)} enrolled>"
        )

    @classmethod
    def load(cls, path: str | Path, device: str = "auto") -> Verifier:
        """Return the verifier of a bundle's folder, or of the latest version below a folder.

        Raises ValueError that names the path where there is none, or where it is not whole.
        """
        return cls(load_verifier(path), device)

    @property
    def threshold(self) -> float:
        """The operating point's, which dev chose: scores at or above it are accepted."""
        return float(self.about["threshold"]["threshold"])

    def verify(
        self,
        a: Side | Heard,
        b: Side | Heard,
        *,
        sample_rate: int | None = None,
        prior: float = 0.5,
        threshold: float | None = None,
    ) -> Verification:
        """Return whether two sides are of one subject; a and b may change places.

        Parameters
        ----------
        a, b : recording, list of recordings, or what `hear` returned
        sample_rate : int, optional
            Hz, of arrays that come without theirs.
        prior : float
            How likely one subject is before anything is heard, in (0, 1); `probability` depends on
            it, `same` and `llr` do not.
        threshold : float, optional
            Instead of the bundle's.

        Raises ValueError for what is no audio, is cut short or holds NaN, for an array without its
        rate, an empty list, and another prior or threshold than these.
        """
        at = self._checked(prior, threshold)
        first, second = (self.hear(side, sample_rate=sample_rate) for side in (a, b))
        if first.embedding is None or second.embedding is None:
            told = (("a", first.abstained), ("b", second.abstained))
            why = "; ".join(f"{name}: {flaw}" for name, flaw in told if flaw)
            return Verification(None, None, at, None, None, why)
        scores, llrs = self._judged(
            first.embedding, first.seconds, second.embedding[None], np.array([second.seconds])
        )
        score, llr = float(scores[0]), None if llrs is None else float(llrs[0])
        return Verification(score >= at, score, at, probability_of(llr, prior), llr, None)

    def hear(self, side: Side | Heard, *, sample_rate: int | None = None) -> Heard:
        """Return a side as it is compared: heard once, it can be held against many.

        Where it is too short, silent or clipped, it says so and has no embedding. Raises ValueError
        as `verify`, and for what another model heard.
        """
        return self._hearing.hear(side, sample_rate)

    def hear_each(self, sides: Iterable[Side]) -> Iterator[Heard]:
        """Yield many sides in their order, each as `hear` returns it but for rounding, and sooner.

        They are decoded in threads and heard in batches. A side that is an error there (no audio,
        cut short) has no embedding here, and says why. Raises ValueError for a single path or
        bytes.
        """
        return self._hearing.hear_each(sides)

    def embed(self, recording: Side | Heard, *, sample_rate: int | None = None) -> Float32s:
        """Return the embedding of a side, float32 (dim,), of unit length.

        Cosines of embeddings are what scores are made of. Raises ValueError as `verify`, and for
        what is too short, silent or clipped.
        """
        return self._embedding(self.hear(recording, sample_rate=sample_rate))

    def enrol(
        self, subject: str, recordings: Side | Heard, *, sample_rate: int | None = None
    ) -> None:
        """Add one reference of a subject to the gallery; called again, another one.

        A list of recordings is one reference, heard as one. Raises ValueError as `embed`, and for
        an empty id; the gallery is then as it was.
        """
        name = checked_id(subject)
        heard = self.hear(recordings, sample_rate=sample_rate)
        self.gallery.add(name, self._embedding(heard), heard.seconds)

    def identify(
        self,
        recording: Side | Heard,
        top_k: int = 5,
        *,
        sample_rate: int | None = None,
        prior: float = 0.5,
        threshold: float | None = None,
    ) -> Identification:
        """Return who of the gallery was heard, or that it is none of them (unknown).

        A subject's score is the mean of the scores with each of its references, and its ratio the
        mean of theirs: the scale stays that of a single pair, on which the threshold and the
        calibration were learnt, whatever the number of references (a maximum would rise with it).

        The threshold is that of a single pair. A stranger is held against everybody, so false
        alarms grow with the gallery: of n subjects, with a false acceptance rate f, up to
        1 - (1 - f)^n of the strangers are taken for somebody. Give a higher `threshold` for a large
        gallery. Likewise `probability` is that of the pair, at a prior for this one subject, and
        those of several candidates need not add up to 1.

        Parameters
        ----------
        recording : recording, list of recordings, or what `hear` returned
        top_k : int
            Candidates to return, at least 1.
        sample_rate, prior, threshold
            As for `verify`.

        Raises ValueError as `verify`, for an empty gallery and for top_k below 1.
        """
        at = self._checked(prior, threshold)
        if isinstance(top_k, bool) or not isinstance(top_k, Integral) or top_k < 1:
            raise ValueError(f"top_k must be a whole number of at least 1, got {top_k!r}")
        references = self.gallery.references()
        heard = self.hear(recording, sample_rate=sample_rate)
        if heard.embedding is None:
            return Identification(None, [], at, heard.abstained)
        scores, llrs = self._judged(
            heard.embedding, heard.seconds, references.embeddings, references.seconds
        )
        mean = np.add.reduceat(scores, references.starts) / references.counts
        best = np.argsort(-mean, kind="stable")[:top_k]
        ratios: list[float | None] = [None] * len(best)
        if llrs is not None:
            of_subject = np.add.reduceat(llrs, references.starts) / references.counts
            ratios = [float(ratio) for ratio in of_subject[best]]
        candidates = [
            Candidate(references.subjects[row], float(mean[row]), probability_of(llr, prior))
            for row, llr in zip(best, ratios, strict=True)
        ]
        known = candidates[0].score >= at
        return Identification(candidates[0].subject if known else None, candidates, at, None)

    def save_gallery(self, path: str | Path) -> None:
        """Write the gallery to a .safetensors file, all or nothing; ValueError for an empty one.

        It holds ids and embeddings, by which people can be recognised: keep it as you would keep
        their recordings.
        """
        save_gallery(path, self.gallery, self._hearing.made_by)

    def load_gallery(self, path: str | Path) -> None:
        """Replace the gallery by one that `save_gallery` wrote with the same model.

        Raises ValueError that names the file where it is missing, torn or another encoder's; the
        gallery is then as it was.
        """
        self.gallery = load_gallery(path, self._hearing.made_by, self._hearing.dim)

    def _embedding(self, heard: Heard) -> Float32s:
        if heard.embedding is None:
            raise ValueError(f"{heard.abstained}: give another recording")
        return heard.embedding

    def _judged(
        self, probe: Float32s, probe_s: float, references: Float32s, references_s: Float64s
    ) -> tuple[Float64s, Float64s | None]:
        """Return scores and, where they are calibrated, log-likelihood ratios."""
        scores = pair_scores(probe, references, self._cohort, self.about["cohort_top_k"])
        if self._calibration is None:
            return scores, None
        return scores, pair_llrs(self._calibration, scores, probe_s, references_s)

    def _checked(self, prior: float, threshold: float | None) -> float:
        """Return the threshold to hold scores against."""
        if not isinstance(prior, Real) or not 0 < prior < 1:
            raise ValueError(f"prior must lie between 0 and 1, both excluded, got {prior!r}")
        if threshold is None:
            return self.threshold
        if (
            isinstance(threshold, bool)
            or not isinstance(threshold, Real)
            or not isfinite(threshold)
        ):
            raise ValueError(f"threshold must be a finite number, got {threshold!r}")
        return float(threshold)


__all__ = ["Candidate", "Heard", "Identification", "Recording", "Side", "Verification", "Verifier"]
