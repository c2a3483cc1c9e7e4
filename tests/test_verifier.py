"""What a user asks: is this the one who was heard there, and who of these is it?"""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from made_verifier import (
    CALIBRATION,
    DIM,
    RATE,
    WITH_SECONDS,
    bundle,
    verifier,
    voice,
    with_cohort,
)

import bodysounds
from bodysounds import Verifier
from bodysounds.verifier import Candidate, Heard

pytestmark = pytest.mark.usefixtures("one_thread")

LOW, HIGH = voice(220.0), voice(610.0, seed=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("verifier")


@pytest.fixture(scope="module")
def model(folder: Path) -> Verifier:
    return verifier(folder)


@pytest.fixture
def own(model: Verifier, folder: Path) -> Verifier:
    """The same bundle loaded again, so that its gallery is the test's."""
    return Verifier.load(folder / "bundle", device="cpu")


@pytest.fixture(scope="module")
def low(folder: Path) -> Path:
    path = folder / "low.wav"
    soundfile.write(path, LOW, RATE, subtype="PCM_16")
    return path


def test_the_package_has_it() -> None:
    assert bodysounds.Verifier is Verifier


def test_a_score_is_the_cosine_of_what_embed_returns(model: Verifier) -> None:
    found = model.verify((LOW, RATE), (HIGH, RATE))
    one, two = (model.embed(wave, sample_rate=RATE) for wave in (LOW, HIGH))
    assert one.shape == (DIM,)
    assert one.dtype == np.float32
    assert np.linalg.norm(one) == pytest.approx(1.0, abs=1e-6)
    assert found.score == pytest.approx(float(one @ two), abs=1e-6)
    assert found.threshold == model.threshold == 0.9
    assert found.same == (found.score >= 0.9)
    assert found.llr == pytest.approx(20 * found.score - 18)
    assert found.abstained is None
    turned = model.verify((HIGH, RATE), (LOW, RATE))
    assert turned.score == pytest.approx(found.score, abs=1e-7)
    same = model.verify((LOW, RATE), (LOW, RATE))
    assert same.same
    assert same.score == pytest.approx(1.0, abs=1e-6)


def test_a_recording_comes_in_any_form(model: Verifier, low: Path) -> None:
    heard = model.embed(low)
    content = low.read_bytes()
    samples, _ = soundfile.read(low, dtype="int16")
    with open(low, "rb") as file:
        forms: list[Any] = [str(low), content, io.BytesIO(content), file, (samples, RATE), [low]]
        for form in forms:
            assert np.array_equal(model.embed(form), heard)
    for same in (samples, samples / 32768, np.stack([samples, samples], axis=1)):
        assert np.array_equal(model.embed(same, sample_rate=RATE), heard)
    # the rate of a pair is its own
    assert np.array_equal(model.embed((samples, RATE), sample_rate=8000), heard)


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000])
@pytest.mark.parametrize("kind", ["int16", "float32", "float64"])
def test_any_rate_and_channels(model: Verifier, low: Path, rate: int, kind: str) -> None:
    wave = soxr.resample(LOW, RATE, rate, quality="HQ")
    stereo = np.stack([0.5 * wave, 1.0 * wave], axis=1)
    given = np.int16(np.rint(stereo * 32767)) if kind == "int16" else stereo.astype(kind)
    heard = model.embed(given, sample_rate=rate)
    back = model.embed(soxr.resample(given[:, 0] * (1.0 if kind != "int16" else 1 / 32768), rate,
                                     RATE, quality="HQ"), sample_rate=RATE)  # fmt: skip
    assert heard @ back > 0.999  # the level is lost to the features' mean
    if rate > RATE:
        assert heard @ model.embed(low) > 0.999


def test_several_recordings_are_heard_one_after_the_other(model: Verifier) -> None:
    parts = [LOW[:5000], HIGH[:7000], LOW[5000:9000]]
    joined = np.concatenate(parts)
    heard = model.embed(parts, sample_rate=RATE)
    assert np.array_equal(heard, model.embed(joined, sample_rate=RATE))
    assert np.array_equal(heard, model.embed(tuple((part, RATE) for part in parts)))
    turned = model.embed(parts[::-1], sample_rate=RATE)
    assert not np.allclose(heard, turned, atol=1e-5)
    with pytest.raises(ValueError, match="a list of them, got an empty list"):
        model.embed([])


def test_only_the_first_seconds_count(tmp_path: Path) -> None:
    model = verifier(tmp_path, bundle(scoring={"centre": [], "max_side_s": 0.5}))
    cut = model.embed(LOW[: RATE // 2], sample_rate=RATE)
    assert np.array_equal(model.embed(LOW, sample_rate=RATE), cut)


def test_numbers_do_not_depend_on_what_was_asked_before(model: Verifier) -> None:
    alone = Verifier(model.bundle, "cpu").verify((LOW, RATE), (HIGH, RATE))
    for seconds in (0.3, 0.7, 1.0):
        model.verify((voice(300, seconds), RATE), (LOW, RATE))
    assert model.verify((LOW, RATE), (HIGH, RATE)) == alone
    one, two = (model.hear(wave, sample_rate=RATE) for wave in (LOW, HIGH))
    assert model.verify(one, two) == alone
    # in one batch of equally long ones, the products could be rounded otherwise
    assert np.array_equal(one.embedding, model.embed((LOW, RATE)))


def test_the_prior_moves_the_probability_alone(model: Verifier) -> None:
    sides = [model.hear(wave, sample_rate=RATE) for wave in (LOW, HIGH)]
    even = model.verify(*sides)
    assert even.llr is not None
    assert even.probability == pytest.approx(1 / (1 + np.exp(-even.llr)))
    for prior in (1e-6, 0.1, 0.9):
        found = model.verify(*sides, prior=prior)
        odds = np.exp(even.llr) * prior / (1 - prior)
        assert found.probability == pytest.approx(odds / (1 + odds))
        assert replace(found, probability=even.probability) == even
    for prior in (0.0, 1.0, -1, float("nan"), "0.5"):
        with pytest.raises(ValueError, match="prior must lie between 0 and 1"):
            model.verify(*sides, prior=prior)  # type: ignore[arg-type]


def test_a_threshold_can_be_given(model: Verifier) -> None:
    sides = [model.hear(wave, sample_rate=RATE) for wave in (LOW, HIGH)]
    score = model.verify(*sides).score
    assert score is not None
    assert model.verify(*sides, threshold=score).same is True
    above = model.verify(*sides, threshold=score + 1e-9)
    assert (above.same, above.threshold) == (False, score + 1e-9)
    for wrong in (float("nan"), float("inf"), "0.5", True):
        with pytest.raises(ValueError, match="threshold must be a finite number"):
            model.verify(*sides, threshold=wrong)  # type: ignore[arg-type]


def test_without_a_calibration_there_is_a_decision_alone(tmp_path: Path) -> None:
    model = verifier(tmp_path, bundle(calibration=None, threshold=-1.0))
    found = model.verify((LOW, RATE), (HIGH, RATE))
    assert (found.same, found.llr, found.probability) == (True, None, None)
    assert found.score is not None
    model.enrol("low", (LOW, RATE))
    (candidate,) = model.identify((HIGH, RATE)).candidates
    assert candidate.probability is None


def test_a_calibration_may_hear_how_long_the_sides_are(tmp_path: Path) -> None:
    model = verifier(tmp_path, bundle(calibration=WITH_SECONDS))
    short = voice(610.0, 0.5, rate=48_000)
    found = model.verify([(LOW, RATE), (LOW, RATE)], (short, 48_000))
    assert found.score is not None
    assert found.llr == pytest.approx(20 * found.score - 18 + np.log(0.5) - np.log(2 / 0.5))


SILENT, CLIPPED = np.zeros(RATE), np.sign(LOW)
SOFT = 0.5e-3 * LOW / np.abs(LOW).max()


@pytest.mark.parametrize(
    ("side", "why"),
    [
        (LOW[:1000], r"too short: 0\.0625 s, and it takes 0\.25 s"),
        (SILENT, "silent: its peak is digital zero, and it takes -60 dBFS"),
        (SOFT, r"silent: its peak is -66\.0 dBFS, and it takes -60 dBFS"),
        (CLIPPED, "clipped: 100% of its samples are at full scale, and at most 10% may be"),
        (np.stack([LOW, CLIPPED], axis=1), "clipped: 100% of its samples"),
        (np.stack([LOW, -LOW], axis=1), "silent: its channels cancel one another"),
        ([LOW, SILENT], "recording 2: silent: its peak is digital zero"),
        ([LOW[:1000], LOW[:1000]], r"too short: 0\.125 s"),
        ([SILENT[:10]], r"too short: 0\.000625 s"),
    ],
)
def test_there_is_no_answer_for_what_is_no_evidence(own: Verifier, side: Any, why: str) -> None:
    found = own.verify(side, LOW, sample_rate=RATE)
    assert (found.same, found.score, found.probability, found.llr) == (None,) * 4
    assert found.threshold == 0.9
    assert found.abstained is not None
    assert found.abstained.startswith("a: ")
    with pytest.raises(ValueError, match=f"^{why}.*: give another recording"):
        own.embed(side, sample_rate=RATE)
    with pytest.raises(ValueError, match=why):
        own.enrol("low", side, sample_rate=RATE)
    assert len(own.gallery) == 0
    own.enrol("low", LOW, sample_rate=RATE)
    unknown = own.identify(side, sample_rate=RATE)
    assert (unknown.subject, unknown.candidates) == (None, [])
    assert found.abstained == f"a: {unknown.abstained}"
    heard = own.hear(side, sample_rate=RATE)
    assert (heard.embedding, heard.abstained) == (None, unknown.abstained)


def test_what_is_usable_is_heard(model: Verifier) -> None:
    # one silent channel, one short recording of several, and a few clipped samples
    hit = LOW.copy()
    hit[::20] = 1.0
    for side in (np.stack([LOW, SILENT], axis=1), [LOW[:1000], LOW], hit):
        assert model.verify(side, LOW, sample_rate=RATE).abstained is None


def test_both_sides_and_the_recording_are_named(model: Verifier, low: Path, folder: Path) -> None:
    silent = folder / "silent.wav"
    soundfile.write(silent, SILENT, RATE)
    found = model.verify([low, silent], (LOW[:100], RATE))
    assert found.abstained is not None
    first, second = found.abstained.split("; ")
    assert first.startswith(f"a: recording 2, {silent}: silent: its peak is digital zero")
    assert second.startswith("b: too short: 0.00625 s")


def test_broken_audio_is_an_error(model: Verifier, low: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.wav"
    cut.write_bytes(low.read_bytes()[:-1000])
    nan = LOW.copy()
    nan[7] = np.nan
    cases: list[tuple[Any, str]] = [
        (cut, "cut short"),
        (tmp_path / "missing.wav", "is not there"),
        (b"", "is empty"),
        (b"RIFF and no more", "cannot be decoded"),
        ((nan, RATE), "sample 7 of the waveform is nan"),
        (LOW, "needs its sample_rate in Hz"),
        ((LOW, 16), "needs its sample_rate in Hz, from 1000"),
        (io.StringIO("text"), "the recording is open as text"),
        (5, "given as a path, bytes or a binary file, got int"),
        ([(LOW, LOW)], "a tuple in a list of recordings is"),
        ([LOW[:2000].tolist()], "given as a path, bytes or a binary file, got"),
    ]
    for side, why in cases:
        # an error, even where the other side alone would be none to answer
        for first, second in ((side, low), (low, side), ((SILENT[:1], RATE), side)):
            with pytest.raises(ValueError, match=why):
                model.verify(first, second)


def test_a_known_and_an_unknown(own: Verifier) -> None:
    own.enrol("low", (LOW, RATE))
    own.enrol("high", (HIGH, RATE))
    found = own.identify((voice(220.0, seed=5), RATE), threshold=0.0)
    assert found.subject == "low"
    assert [one.subject for one in found.candidates] == ["low", "high"]
    scores = [one.score for one in found.candidates]
    assert scores == sorted(scores, reverse=True)
    for one in found.candidates:
        wave = {"low": LOW, "high": HIGH}[one.subject]
        pair = own.verify((voice(220.0, seed=5), RATE), (wave, RATE))
        assert one.score == pytest.approx(pair.score, abs=1e-7)
        assert one.probability == pytest.approx(pair.probability, abs=1e-6)
    stranger = own.identify((voice(220.0, seed=5), RATE), threshold=1.1)
    assert (stranger.subject, stranger.threshold) == (None, 1.1)
    assert stranger.candidates == found.candidates
    assert own.identify((LOW, RATE)).threshold == own.threshold
    assert len(own.identify((LOW, RATE), top_k=1).candidates) == 1
    assert len(own.identify((LOW, RATE), top_k=99).candidates) == 2


def test_a_score_over_references_is_their_mean(tmp_path: Path) -> None:
    for number, made in enumerate((bundle(), bundle(calibration=WITH_SECONDS))):
        model = verifier(tmp_path / str(number), made)
        waves = {"a": [LOW, voice(240.0, 0.6)], "b": [HIGH], "c": [voice(400.0), LOW, HIGH]}
        for takes in zip(*[[*takes, None, None][:3] for takes in waves.values()], strict=True):
            for subject, wave in zip(waves, takes, strict=True):
                if wave is not None:
                    model.enrol(subject, (wave, RATE))
        assert model.gallery.counts == {"a": 2, "b": 1, "c": 3}
        probe = (voice(230.0, 0.8, seed=9), RATE)
        for one in model.identify(probe, prior=0.2).candidates:
            pairs = [model.verify(probe, (wave, RATE)) for wave in waves[one.subject]]
            assert one.score == pytest.approx(np.mean([pair.score for pair in pairs]), abs=1e-7)
            llr = np.mean([pair.llr for pair in pairs])
            assert one.probability == pytest.approx(1 / (1 + np.exp(-llr - np.log(0.25))), abs=1e-6)


def test_the_gallery_does_not_change_a_candidate(own: Verifier) -> None:
    probe = own.hear(LOW, sample_rate=RATE)
    own.enrol("one", (HIGH, RATE))
    (alone,) = own.identify(probe).candidates
    rng = np.random.default_rng(0)
    for number in range(300):
        own.enrol(f"s{number}", Heard(_unit(rng), 1.0, None))
    among = own.identify(probe, top_k=301).candidates
    assert alone in among
    assert own.identify(probe, top_k=7).candidates == among[:7]


def _unit(rng: np.random.Generator) -> np.ndarray:
    vector = rng.standard_normal(DIM).astype(np.float32)
    return vector / np.linalg.norm(vector)


def test_of_equals_the_first_enrolled_comes_first(own: Verifier) -> None:
    for subject in ("zoe", "adam", "mia"):
        own.enrol(subject, (LOW, RATE))
    found = own.identify((LOW, RATE)).candidates
    assert [one.subject for one in found] == ["zoe", "adam", "mia"]
    assert found[0] == Candidate("zoe", found[1].score, found[1].probability)


def test_what_a_gallery_refuses(own: Verifier) -> None:
    with pytest.raises(ValueError, match="the gallery is empty: enrol somebody first"):
        own.identify((LOW, RATE))
    for name in ("", "  ", None, 7):
        with pytest.raises(ValueError, match="an id is a text that is not empty"):
            own.enrol(name, (LOW, RATE))  # type: ignore[arg-type]
    own.enrol("Zoë", (LOW, RATE))
    own.enrol("Zoe\u0308", (HIGH, RATE))
    assert own.gallery.counts == {"Zoë": 2}
    assert "Zoe\u0308" in own.gallery
    for wrong in (0, -1, 1.5, True):
        with pytest.raises(ValueError, match="top_k must be a whole number of at least 1"):
            own.identify((LOW, RATE), top_k=wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'Max' is not enrolled"):
        own.gallery.remove("Max")
    own.gallery.remove("Zoe\u0308")
    assert own.gallery.ids == []
    with pytest.raises(ValueError, match="is empty"):
        own.identify((LOW, RATE))


def test_a_normalised_score_says_how_far_from_the_cohort(tmp_path: Path) -> None:
    made = with_cohort(bundle(), score="normalised", cohort_top_k=5)
    model = verifier(tmp_path, made)
    sides = [model.embed((wave, RATE)).astype(np.float64) for wave in (LOW, HIGH)]
    assert made.cohort is not None
    expected = 0.0
    for side in sides:
        nearest = np.sort(made.cohort.astype(np.float64) @ side)[-5:]
        expected += (sides[0] @ sides[1] - nearest.mean()) / nearest.std() / 2
    found = model.verify((LOW, RATE), (HIGH, RATE))
    assert found.score == pytest.approx(expected, rel=1e-4)
    assert found.llr == pytest.approx(CALIBRATION.coefficients[0] * found.score - 18)
    model.enrol("high", (HIGH, RATE))
    model.enrol("low", (LOW, RATE))
    candidates = {one.subject: one.score for one in model.identify((LOW, RATE)).candidates}
    assert candidates["high"] == pytest.approx(found.score, rel=1e-4)


def test_what_the_run_did_with_sexes_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = bundle(scoring={"centre": [], "sex_filter": "known"})
    model = verifier(tmp_path, made)
    assert "between sexes more strangers are accepted than the rates say" in caplog.text
    assert model.about["limits"][0].startswith("A similarity is not an identity")
    caplog.clear()
    verifier(tmp_path / "plain")
    assert caplog.text == ""


@pytest.mark.data
def test_real_recordings_of_every_kind(own: Verifier, data_dir: Path) -> None:
    bursts = sorted((data_dir / "vocal_bursts" / "audio").glob("*/*.mp3"))[::1700][:3]
    cries = sorted((data_dir / "infant_cries" / "audio").glob("*/*.flac"))[::150][:3]
    for path in (*bursts, *cries):
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        heard = own.embed(path)
        assert heard @ own.embed((samples, rate)) > 0.9999
        assert np.array_equal(own.embed(path.read_bytes()), heard)
        own.enrol(path.stem, path)
    for path in (*bursts, *cries):
        assert own.identify(path).subject == path.stem
