"""Work in shards: the same result, and nothing is done twice, whatever dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import made
import numpy as np
import pytest
import sharded

from bodysounds.audio.packed import open_packed, write_packed
from bodysounds.params import FeaturizeParams, ScorePairsParams
from bodysounds.scoring.shards import MEANS, ShardedMeans, embed_shard
from bodysounds.scoring.systems import Encoders, score_systems
from bodysounds.shards import SUMS, content_sha256, deal, intact, map_shards

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which each attempt leaves a file."""
    monkeypatch.setattr(sharded.audio_shards, "pack_shard", sharded.watched_pack)
    monkeypatch.setattr(sharded.scoring_shards, "embed_shard", sharded.watched_embed)
    return sharded.log_folder(tmp_path)


def texts(folders: list[Path]) -> list[str]:
    return [(folder / "text").read_text() for folder in folders]


def test_a_shard_that_is_there_is_not_done_again(tmp_path: Path, log: Path) -> None:
    folder = tmp_path / "work"
    assert texts(map_shards(sharded.write_text, ["a", "b"], folder)) == ["a", "b"]
    assert texts(map_shards(sharded.write_text, ["a", "b", "c"], folder)) == ["a", "b", "c"]
    assert sharded.attempts(log) == sharded.names(0, 1, 2)
    assert sorted(path.name for path in folder.iterdir()) == sharded.names(0, 1, 2)


@pytest.mark.parametrize("damage", ["flip", "cut", "gone", "more", "sums", "no sums"])
def test_a_damaged_shard_is_done_again(
    tmp_path: Path, log: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    folders = map_shards(sharded.write_text, ["a", "b", "c"], tmp_path / "work")
    text, sums = folders[1] / "text", folders[1] / SUMS
    {
        "flip": lambda: text.write_text("x"),
        "cut": lambda: text.write_text(""),
        "gone": text.unlink,
        "more": (folders[1] / "other").touch,
        "sums": lambda: sums.write_text("{"),
        "no sums": sums.unlink,
    }[damage]()
    assert [intact(folder) for folder in folders] == [True, False, True]
    assert map_shards(sharded.write_text, ["a", "b", "c"], tmp_path / "work") == folders
    assert texts(folders) == ["a", "b", "c"]
    assert sharded.attempts(log) == sharded.names(0, 1, 1, 2)
    assert ("shard_0001 is damaged" in caplog.text) == (damage != "no sums")
    assert sorted(path.name for path in folders[1].iterdir()) == [SUMS, "text"]


def test_an_error_is_tried_again_and_a_wrong_input_is_not(tmp_path: Path, log: Path) -> None:
    shards = ["unlucky", "wrong", "c"]
    with pytest.raises(ValueError, match="the shard is wrong"):
        map_shards(sharded.write_text, shards, tmp_path / "work")
    assert sharded.attempts(log) == sharded.names(0, 0, 0, 1)
    assert [path.name for path in (tmp_path / "work").iterdir()] == sharded.names(0)
    with pytest.raises(OSError, match="away"):
        map_shards(sharded.write_text, ["hopeless"], tmp_path / "other", retries=1)
    assert sharded.attempts(log) == sharded.names(0, 0, 0, 0, 0, 1)


def test_runs_cost_alike() -> None:
    rng = np.random.default_rng(0)
    for n in (1, 2, 7):
        costs = rng.uniform(0.1, 3, 400)
        runs = deal(costs, n)
        assert [k for run in runs for k in range(400)[run]] == list(range(400))
        sums = [costs[run].sum() for run in runs]
        assert len(sums) == n
        assert max(sums) - min(sums) <= 2 * costs.max()
    assert deal(np.array([1.0, 50, 1, 1]), 3) == [slice(0, 1), slice(1, 2), slice(2, 4)]
    assert deal(np.ones(2), 5) == [slice(0, 1), slice(1, 2)]
    assert deal(np.empty(0), 3) == []


def test_a_key_tells_contents_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [
        content_sha256([1, "a"]), content_sha256([1, "b"]), content_sha256([1, "a"], [b"x"]),
        content_sha256([1, "a"], [b"xy"]), content_sha256([1, "a"], [b"x", b"y"]),
        content_sha256([1, "a"], code=["sides.py"]), content_sha256([1, "a"], code=["audio"]),
    ]  # fmt: skip
    assert len(set(keys)) == len(keys)
    assert content_sha256([1, "a"], [b"x"]) == keys[2]
    with pytest.raises(FileNotFoundError):
        content_sha256([], code=["nothing.py"])
    monkeypatch.setattr("bodysounds.shards.PACKAGE", tmp_path)
    versions = []
    for content in ("x = 1", "x = 2"):
        (tmp_path / "module.py").write_text(content)
        versions.append(content_sha256([], code=["module.py"]))
    assert versions[0] != versions[1]


# --- featurize -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def packed_whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return sharded.packed_whole(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("shards", [2, 4, 50])
def test_sharded_waveforms_have_the_same_bytes(
    tmp_path: Path, log: Path, packed_whole: dict[str, str], shards: int
) -> None:
    sharded.pack(tmp_path, tmp_path / "packed", shards=shards)
    assert made.hashes(tmp_path / "packed") == packed_whole
    # 9 recordings are at most 9 shards, each of at least one
    assert set(sharded.attempts(log)) == set(sharded.names(*range(min(shards, 9))))
    assert list((tmp_path / "work").iterdir()) == []


def kill(kind: str, folder: Path, log: Path, die_at: int) -> None:
    """Run a process that does shards and dies by SIGKILL when it begins that one."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        sharded.DIE_AT: str(die_at),
    }  # fmt: skip
    ended = subprocess.run(
        [sys.executable, sharded.__file__, kind, str(folder)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == -signal.SIGKILL, ended.stderr


def test_featurize_that_was_killed_does_the_rest(
    tmp_path: Path, log: Path, packed_whole: dict[str, str]
) -> None:
    kill("featurize", tmp_path, log, die_at=3)
    assert sharded.attempts(log) == sharded.names(0, 1, 2)
    (kept,) = (tmp_path / "work").iterdir()
    assert [intact(kept / name) for name in sharded.names(0, 1, 2)] == [True, True, False]
    # other parameters take nothing of it
    sharded.pack(tmp_path, tmp_path / "other", shards=5)
    assert len(sharded.attempts(log)) == 3 + 5
    sharded.pack(tmp_path, tmp_path / "rate", shards=4, sample_rate=16_000)
    assert len(sharded.attempts(log)) == 3 + 5 + 4
    assert kept.is_dir()
    before = sharded.attempts(log)
    sharded.pack(tmp_path, tmp_path / "packed", shards=4)
    assert sharded.attempts(log) == sorted(before + sharded.names(2, 3))
    assert made.hashes(tmp_path / "packed") == packed_whole
    assert list((tmp_path / "work").iterdir()) == []


def test_what_lies_packed_already_is_dealt_to_no_shard(tmp_path: Path, log: Path) -> None:
    sharded.pack(tmp_path, tmp_path / "packed")
    sharded.pack(tmp_path, tmp_path / "packed", shards=3)
    assert sharded.attempts(log) == []


def test_a_changed_recording_is_found_by_its_shard(tmp_path: Path) -> None:
    pieces = sharded.pieces(tmp_path, shards=3)
    (tmp_path / "raw" / "r4.wav").write_bytes((tmp_path / "raw" / "r5.wav").read_bytes())
    with pytest.raises(ValueError, match=r"r4.wav is not the file that ingest read"):
        write_packed(tmp_path / "packed", pieces, pieces.sample_rate)


# --- embedding -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return sharded.corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def means(corpus: Any) -> np.ndarray:
    return sharded.means_whole(*corpus[:2])


@pytest.mark.parametrize("n", [2, 4, 100])
def test_sharded_embeddings_are_those_of_one_process(
    tmp_path: Path, log: Path, corpus: Any, means: np.ndarray, n: int
) -> None:
    packed, sides, _ = corpus
    found = sharded.embed(packed, sides, tmp_path / "work", n)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, means, rtol=0, atol=sharded.BOUND)
    assert sharded.attempts(log) == sharded.names(*range(min(n, len(sides))))
    none = ShardedMeans(n, tmp_path / "none")(sharded.encoder(), packed, [], 1.5)
    assert none.shape == (0, 8)
    assert not (tmp_path / "none").exists()


def test_embedding_that_was_killed_does_the_rest(
    tmp_path: Path, log: Path, means: np.ndarray
) -> None:
    kill("embed", tmp_path, log, die_at=4)
    assert sharded.attempts(log) == sharded.names(0, 1, 2, 3)
    packed, sides, _ = sharded.corpus(tmp_path / "corpus")
    np.testing.assert_allclose(
        sharded.embed(packed, sides, tmp_path / "work"), means, rtol=0, atol=sharded.BOUND
    )
    assert sharded.attempts(log) == sorted(sharded.names(0, 1, 2, 3) + sharded.names(3))
    (kept,) = (tmp_path / "work").iterdir()
    np.save(kept / "shard_0002" / MEANS, np.zeros((5, 8), np.float32))
    again = sharded.embed(packed, sides, tmp_path / "work")
    np.testing.assert_allclose(again, means, rtol=0, atol=sharded.BOUND)
    assert sharded.attempts(log)[-1:] == sharded.names(3)
    assert len(sharded.attempts(log)) == 6
    for other in ({"seed": 1}, {"max_side_s": 1.4}, {"n": 3}):
        before = len(sharded.attempts(log))
        sharded.embed(packed, sides, tmp_path / "work", **other)
        assert len(sharded.attempts(log)) == before + other.get("n", 4)


def test_waveforms_that_were_replaced_are_not_embedded(tmp_path: Path) -> None:
    packed, sides, _ = sharded.corpus(tmp_path)
    folder = Path(str(packed.samples.filename)).parent
    shard = sharded.scoring_shards.EmbeddingShard(
        tmp_path / "encoder", folder, "0" * 64, sharded.heard(sides), 1.5, "cpu", "float32"
    )
    with pytest.raises(ValueError, match="was replaced while its sides were embedded"):
        embed_shard(shard, tmp_path)
    copied = open_packed(folder)
    in_memory = type(copied)(np.array(copied.samples), copied.index, copied.sample_rate)
    with pytest.raises(ValueError, match=r"not packed on disk.*score_pairs.shards to 1"):
        sharded.embed(in_memory, sides, tmp_path)


def test_every_system_is_scored_in_shards(tmp_path: Path, log: Path, corpus: Any) -> None:
    from bodysounds.audio.descriptors import describe

    packed, sides, trials = corpus
    described = describe(packed, FeaturizeParams(n_mfcc=4, workers=1))
    encoders = Encoders(sharded.encoder(seed=1), sharded.encoder(seed=2))
    options: dict[str, Any] = {
        "systems": ["ours", "windows", "untrained", "mfcc", "random"], "shuffles": 2,
        "device": "cpu", "precision": "float32", "window_s": 0.5, "hop_s": 0.4,
        "work_dir": str(tmp_path / "work"),
    }  # fmt: skip
    plain, dealt = (
        score_systems(
            encoders, packed, sides, trials, described, ScorePairsParams(**options, shards=n)
        )
        for n in (1, 3)
    )
    assert set(plain[0]) == set(dealt[0]) == {"ours", "averaged", "windows", "untrained", "mfcc"}
    for system, vectors in plain[0].items():
        np.testing.assert_allclose(
            dealt[0][system], vectors, rtol=0, atol=sharded.BOUND, err_msg=system
        )
    assert dealt[1].equals(plain[1])
    np.testing.assert_allclose(dealt[2]["cosine"], plain[2]["cosine"], rtol=0, atol=1e-5)
    # ours, windows and averaged by two encoders, untrained by one; all but averaged hear a cohort
    assert len(sharded.attempts(log)) == 3 * (2 * 2 + 2 * 2 + 2 + 2)
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize("params", [FeaturizeParams, ScorePairsParams])
def test_a_number_of_shards_that_makes_no_sense_is_refused(params: Any) -> None:
    with pytest.raises(ValueError, match=r"shards must lie in \[1, 100000\], got 0"):
        params(shards=0)
