"""Windows, timelines, events and sound of a stream, without a server."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from temporal import FakeModel, Said, spec, tone, write

from bodysounds.audio.read import AudioError, read_audio
from bodysounds.scoring.events import EventRules, EventState, Frame, events_of
from bodysounds.serving.audio import probe, read_piece, read_pieces
from bodysounds.serving.batcher import Answer
from bodysounds.serving.folder import new_files
from bodysounds.serving.hearing import clips_of, heard_of
from bodysounds.serving.messages import Classify, Heard, check_spec
from bodysounds.serving.timeline import Timeline, follow
from bodysounds.serving.windows import Piece, Window

RATE = 16_000


def run(lengths: list[int | None], window: int, hop: int, seed: int = 0) -> list[Window]:
    """Return the windows of chunks that come one by one; None is a chunk that is refused."""
    timeline, found, random_ = Timeline(100, window, hop), [], random.Random(seed)
    for index, length in enumerate(lengths):
        if length is None:
            timeline.wall()
        else:
            timeline.add(index, str(index), length, float(index))
        while random_.random() < 0.7 and (taken := timeline.take(timeline.total)):
            found.append(taken)
    timeline.wall()
    while taken := timeline.take(timeline.total):
        found.append(taken)
    assert not timeline.ready(timeline.total)
    assert not timeline.chunks
    return found


def slow(total: int, window: int, hop: int, shortest: int = 10) -> list[tuple[int, int]]:
    """Return the spans of a stretch without gaps: every window in full, then what is left."""
    spans = [(s, s + window) for s in range(0, total, hop) if s + window <= total]
    heard = spans[-1][1] if spans else 0
    start = len(spans) * hop
    return [*spans, (start, total)] if total - heard >= shortest else spans


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.integers(1, 400)), max_size=12),
    st.integers(100, 500),
    st.floats(0.1, 1),
    st.integers(0, 5),
)
def test_windows_cover_each_stretch_and_cross_no_gap(
    lengths: list[int | None], window: int, share: float, seed: int
) -> None:
    hop = max(10, round(window * share))
    stretches, stretch = [], 0
    for length in [*lengths, None]:
        if length is None:
            stretches.append(stretch)
            stretch = 0
        else:
            stretch += length
    wanted, start = [], 0
    for total in stretches:
        spans = slow(total, window, hop)
        if spans and spans[-1][1] == total and len(spans) > 1 and spans[-2][1] > total - 10:
            spans.pop()  # a last window with next to nothing new
        wanted += [(start + a, start + b) for a, b in spans]
        start += total
    got = run(lengths, window, hop, seed)
    assert [(w.start, w.stop) for w in got] == wanted
    assert [w.number for w in got] == list(range(len(got)))
    sound = [(str(i), s) for i, n in enumerate(lengths) for s in range(n or 0)]
    for taken in got:
        pieces = [(p.path, s) for p in taken.pieces for s in range(p.start, p.stop)]
        assert pieces == sound[taken.start : taken.stop]
        assert taken.ready_at == float(sound[taken.stop - 1][0])


def test_the_end_cuts_the_last_window_short() -> None:
    assert [(w.start, w.stop) for w in run([250], 100, 100)] == [(0, 100), (100, 200), (200, 250)]
    assert [(w.start, w.stop) for w in run([205], 100, 100)] == [(0, 100), (100, 200)]
    assert [(w.start, w.stop) for w in run([60], 100, 100)] == [(0, 60)]
    assert run([5], 100, 100) == []
    assert run([], 100, 100) == []


def test_a_window_after_a_gap_says_so() -> None:
    got = run([150, None, None, 100], 100, 100)
    assert [(w.start, w.stop, w.after_gap) for w in got] == [
        (0, 100, False),
        (100, 150, False),
        (150, 250, True),
    ]


def test_events_of_overlapping_windows_are_those_of_the_whole() -> None:
    rules, labels = EventRules(merge_s=0.5), ["crying", "normal"]
    chances = np.random.default_rng(3).random(60).round(3)
    frames = [[at * 0.5, at * 0.5 + 1, 0.0, p, 1 - p] for at, p in enumerate(chances)]
    wanted = events_of(
        (Frame(a, b, dict(zip(labels, p, strict=True))) for a, b, _, *p in frames), rules
    )
    state, found = EventState(rules), []
    for start in range(0, 60, 4):  # each window brings 8 frames, 4 of which came before
        state, closed = follow(state, labels, frames[start : start + 8], False)
        found += closed
    found += follow(state, labels, [], after_gap=True)[1]
    assert found == wanted
    assert len(found) > 3


def test_a_gap_ends_an_event() -> None:
    state = EventState(EventRules())
    state, closed = follow(state, ["crying"], [[0.0, 1.0, 0.0, 0.9]], False)
    assert closed == []
    state, closed = follow(state, ["crying"], [[1.0, 2.0, 0.0, 0.9]], True)
    assert [(e.onset_s, e.offset_s) for e in closed] == [(0.0, 1.0)]


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
def test_pieces_are_what_the_whole_file_holds(tmp_path: Path, rate: int, ending: str) -> None:
    random_ = np.random.default_rng(rate)
    path = tmp_path / f"a.{ending}"
    soundfile.write(path, random_.normal(0, 0.1, (rate * 3, 2)), rate)
    whole = read_audio(path, RATE)
    length = probe(str(path), RATE)
    assert abs(length - len(whole)) <= 1
    for start, stop in [(0, length), (0, 100), (7_001, 30_003), (length - 3_000, length)]:
        piece = read_piece(Piece(str(path), start, stop), RATE)
        assert len(piece) == stop - start
        end = min(stop, len(whole))
        assert np.abs(piece[: end - start] - whole[start:end]).max() < 2e-3
    parts = [Piece(str(path), 0, 9_999), Piece(str(path), 9_999, length)]
    assert np.abs(read_pieces(parts, RATE)[: len(whole)] - whole[:length]).max() < 2e-3


def test_large_files_are_measured_by_their_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.wav", tone(3, 300))
    monkeypatch.setattr("bodysounds.serving.audio.WHOLE_BYTES", 1000)
    monkeypatch.setattr("bodysounds.serving.audio.decode", None)
    assert probe(str(path), RATE) == 3 * RATE
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(AudioError, match="is cut short"):
        probe(str(path), RATE)


def test_a_long_ogg_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.ogg", tone(3, 300))
    monkeypatch.setattr("bodysounds.serving.audio.WHOLE_BYTES", 1000)
    with pytest.raises(AudioError, match="cannot be entered in the middle"):
        probe(str(path), RATE)


def test_chunks_that_cannot_be_read(tmp_path: Path) -> None:
    for content, why in [
        (b"", "is empty"),
        (b"no sound at all", "is not audio"),
        (b"fLaC nonsense", "cannot be decoded"),
    ]:
        path = tmp_path / "a.flac"
        path.write_bytes(content)
        with pytest.raises(AudioError, match=why):
            probe(str(path), RATE)
    with pytest.raises(AudioError, match="cannot be opened"):
        probe(str(tmp_path / "none.wav"), RATE)


def test_a_file_that_shrank_is_a_reason_and_no_crash(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", tone(1, 300))
    window = Window(0, 0, 2 * RATE, [Piece(str(path), 0, 2 * RATE)], 0.0, False)
    request = Classify("s", RATE, None, [window])
    clips = clips_of(window, request, FakeModel())
    assert "became shorter" in str(clips.flaw)
    assert clips.clips.shape == (0, RATE)
    path.unlink()
    assert "cannot be read any more" in str(clips_of(window, request, FakeModel()).flaw)


def answered(tmp_path: Path, *parts: np.ndarray, **rule: float) -> Heard:
    """Return what the stand-in hears in one window."""
    model, path = FakeModel(), write(tmp_path / "a.wav", *parts)
    model.rule["abstain"].update(rule)
    length = sum(map(len, parts))
    window = Window(0, RATE, RATE + length, [Piece(str(path), 0, length)], 0.0, False)
    clips = clips_of(window, Classify("s", RATE, 1.0, [window]), model)
    said = model.predict(clips.clips) if len(clips.clips) else Said(np.zeros((0, 3)), np.zeros(0))
    return heard_of(window, clips, said, RATE, model)


def test_silence_is_not_asked_about(tmp_path: Path) -> None:
    nothing = np.zeros(RATE, np.float32)
    heard = answered(tmp_path, nothing, tone(1, 400))
    assert heard.frames == [[1, 2, 1.0, 0, 0, 0], [2, 3, 0.0, 0.9, 0.05, 0.05]]
    assert (heard.label, heard.confidence, heard.reason) == ("crying", 0.9, None)
    heard = answered(tmp_path, nothing, nothing)
    assert (heard.label, heard.probabilities) == (None, None)
    assert str(heard.reason).startswith("silent: its peak is digital zero")


def test_clipped_and_unsure_windows_have_no_label(tmp_path: Path) -> None:
    square = np.sign(tone(2, 400, level=0.9)).astype(np.float32)
    heard = answered(tmp_path, square * 0.94)
    assert heard.label == "crying"
    monster = FakeModel(poison=2.0)
    path = write(tmp_path / "b.wav", square)
    window = Window(0, 0, 2 * RATE, [Piece(str(path), 0, 2 * RATE)], 0.0, False)
    clips = clips_of(window, Classify("s", RATE, 1.0, [window]), monster)
    heard = heard_of(window, clips, monster.predict(clips.clips), RATE, monster)
    assert (heard.label, heard.confidence) == (None, 0.9)
    assert "clipped: " in str(heard.reason)
    heard = answered(tmp_path, tone(2, 400), threshold=0.95)
    assert (heard.label, heard.abstained, heard.confidence) == (None, True, 0.9)


def test_an_answer_of_the_wrong_shape_or_nan_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", tone(1, 400))
    window = Window(0, 0, RATE, [Piece(str(path), 0, RATE)], 0.0, False)
    clips = clips_of(window, Classify("s", RATE, None, [window]), FakeModel())
    for answer, why in [(np.zeros((2, 3)), "answered"), (np.full((1, 3), np.nan), "not finite")]:
        with pytest.raises(ValueError, match=why):
            heard_of(window, clips, Answer(answer, np.zeros(1, bool)), RATE, FakeModel())


def test_new_files_come_by_name_and_wait_until_they_are_whole(tmp_path: Path) -> None:
    for name in ("b.wav", "a.wav", ".hidden.wav", "c.wav.part", "d.wav"):
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, (0, 0))
    (tmp_path / "folder").mkdir()
    folder = str(tmp_path)

    def names(taken: set[str], settle_s: float, at_most: int = 9) -> list[str]:
        return [Path(c.path).name for c in new_files(folder, taken, settle_s, at_most)]

    assert names(set(), 0) == ["a.wav", "b.wav", "d.wav"]
    assert names({str(tmp_path / "b.wav")}, 0) == ["a.wav", "d.wav"]
    assert names(set(), 0, at_most=2) == ["a.wav", "b.wav"]
    assert names(set(), 60) == []  # what was written just now may be in the middle of it


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"window_s": 0.5}, r"window_s must lie in \[1, 60\]"),
        ({"window_s": float("nan")}, "window_s must lie"),
        ({"hop_s": 3.0}, "so that no sound is left out"),
        ({"hop_s": 0.0}, "hop_s must lie"),
        ({"frame_hop_s": 0.0}, "frame_hop_s must be 0.01"),
        ({"pace": "slow"}, "pace must be fast or real"),
        ({"stream_id": ""}, "1 to 100 characters"),
    ],
)
def test_streams_that_cannot_be(options: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_spec(spec(**options))
    check_spec(spec())
