"""The fetch of VoxCeleb1: from a local server and from folders, with small archives in parts."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from voxceleb_server import DEV, META, TEST, Server, published, serving, sums_of, zipped

from bodysounds.__main__ import main
from bodysounds.corpora.base import Corpus
from bodysounds.corpora.download import download
from bodysounds.corpora.fetch_voxceleb import ARCHIVES, SUMS, Source, fetch_voxceleb1, read_sums
from bodysounds.corpora.joined import JoinedFiles
from bodysounds.corpora.registry import list_recordings


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the sentence on standard error."""
    return capsys.readouterr().err.strip()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as state:
        yield state


def source_of(server: Server, path: str = "/a/", **changes: Any) -> Source:
    given = {"address": server.address + path, "tables": f"{server.address}/meta/"}
    return Source(**{**given, "sums": sums_of(server.files), **changes})


def folder_of(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def unpacked(folder: Path) -> dict[str, bytes]:
    found = sorted((folder / "wav").rglob("*.wav"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_the_published_sums_name_every_archive() -> None:
    assert set(SUMS) == {name for names in ARCHIVES.values() for name in names}
    assert all(len(digest) == 32 for digest in SUMS.values())
    assert len(set(SUMS.values())) == 5


def test_parts_are_read_as_one_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    contents = [rng.bytes(size) for size in (100, 0, 37, 1)]
    paths = []
    for at, content in enumerate(contents):
        paths.append(tmp_path / str(at))
        paths[-1].write_bytes(content)
    whole = io.BytesIO(b"".join(contents))
    with io.BufferedReader(JoinedFiles(paths), 16) as joined:
        assert joined.read() == whole.read()
        for _ in range(200):
            start, size = int(rng.integers(0, 150)), int(rng.integers(0, 150))
            assert joined.seek(start) == whole.seek(start)
            assert joined.read(size) == whole.read(size)
        assert joined.seek(-5, io.SEEK_END) == 133
        assert joined.read() == whole.getvalue()[-5:]


def test_a_url_is_fetched_joined_checked_and_unpacked(
    tmp_path: Path, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert fetch_voxceleb1(tmp_path, source_of(server)) == len(DEV) + len(TEST)
    assert unpacked(tmp_path) == DEV | TEST
    assert (tmp_path / "vox1_meta.csv").read_text() == META
    # a table that the server doesn't have stops nothing
    assert "iden_split.txt could not be fetched (404" in caplog.text
    assert not list(tmp_path.glob("*.partial"))
    rows = list_recordings(Corpus(tmp_path, "voxceleb", "made")).recordings
    assert rows["subject_id"].nunique() == 3
    assert set(rows.loc[rows["subject_id"] == "id10001", "sex"]) == {"m"}
    server.asked.clear()
    (tmp_path / "wav/id10270/v1/00001.wav").write_bytes(b"cut")
    fetch_voxceleb1(tmp_path, source_of(server))
    assert not {name for name, _ in server.asked} & set(SUMS)  # nothing large again
    assert unpacked(tmp_path) == DEV | TEST


@pytest.mark.parametrize("ranges", [True, False])
def test_an_interrupted_download_goes_on(tmp_path: Path, server: Server, ranges: bool) -> None:
    name = "vox1_test_wav.zip"
    path, content = tmp_path / name, server.files[name]
    server.stops_at = 100
    with pytest.raises(ConnectionError, match=r"ended .* bytes early: .* goes on where it stopped"):
        download(f"{server.address}/a/{name}", path)
    assert not path.exists()
    assert (tmp_path / f"{name}.partial").read_bytes() == content[:100]
    server.stops_at, server.ranges = None, ranges
    download(f"{server.address}/a/{name}", path)
    assert server.asked[-1] == (name, "bytes=100-")
    assert path.read_bytes() == content


def test_a_whole_partial_file_only_lacks_its_name(tmp_path: Path, server: Server) -> None:
    name = "vox1_test_wav.zip"
    (tmp_path / f"{name}.partial").write_bytes(server.files[name])
    download(f"{server.address}/a/{name}", tmp_path / name)
    assert (tmp_path / name).read_bytes() == server.files[name]


def test_user_and_password_go_to_the_server_asked_only(
    tmp_path: Path,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.login = "Basic " + base64.b64encode("me:secret ü".encode()).decode()
    (tmp_path / "sums").write_text("".join(f"{v}  {k}\n" for k, v in sums_of(server.files).items()))
    arguments = ["fetch", "voxceleb1", str(tmp_path / "v"), "--from", f"{server.address}/a"]
    arguments += ["--tables", f"{server.address}/open", "--md5", str(tmp_path / "sums")]
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    sentence = said(capsys)
    assert "the server refuses vox1_dev_wav_partaa (401" in sentence
    assert "VOXCELEB_PASSWORD" in sentence
    with pytest.raises(SystemExit):
        main([*arguments, "--user", "me"])
    assert "set VOXCELEB_PASSWORD to the password of the user me" in said(capsys)
    monkeypatch.setenv("VOXCELEB_PASSWORD", "secret ü")
    main([*arguments, "--user", "me"])
    assert unpacked(tmp_path / "v") == DEV | TEST
    moved = source_of(server, "/moved/", login=("me", "secret ü"), parts=("test",))
    assert fetch_voxceleb1(tmp_path / "w", moved) == len(TEST)


def test_an_address_with_a_key(tmp_path: Path, server: Server) -> None:
    source = source_of(server, "/download?key=abc&file={file}", parts=("test",))
    assert fetch_voxceleb1(tmp_path, source) == len(TEST)


def test_an_expired_key_is_no_archive(tmp_path: Path, server: Server) -> None:
    server.page = True
    with pytest.raises(PermissionError, match=r"web page instead of vox1_dev_wav_partaa: ask for"):
        fetch_voxceleb1(tmp_path, source_of(server))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_takes_no_files_is_no_lack_of_access(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(13, "Permission denied", "vox1_dev_wav_partaa.partial")

    monkeypatch.setattr("bodysounds.corpora.fetch_voxceleb.download", refuse)
    with pytest.raises(PermissionError, match="Permission denied") as raised:
        fetch_voxceleb1(tmp_path, source_of(server))
    assert "ask for access" not in str(raised.value)


def test_without_network_it_says_so(tmp_path: Path, server: Server) -> None:
    source = Source(address="http://127.0.0.1:9/", tables="http://127.0.0.1:9/")
    with pytest.raises(ConnectionError, match=r"vox1_dev_wav_partaa could not be .*refused.*goes"):
        fetch_voxceleb1(tmp_path, source)
    del server.files["vox1_dev_wav_partab"]
    with pytest.raises(ConnectionError, match=r"vox1_dev_wav_partab could not .*404.*check the"):
        fetch_voxceleb1(tmp_path, source_of(server))


@pytest.mark.parametrize("apart", [False, True])
def test_files_fetched_by_hand_need_no_network(
    tmp_path: Path, apart: bool, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: pytest.fail("network"))
    files = published()
    folder = tmp_path / "đĩa 1"
    home = folder_of(tmp_path / "downloads" if apart else folder, files)
    sums = tmp_path / "md5.txt"
    sums.write_text("".join(f"{v} *{k}\n" for k, v in sums_of(files).items()))
    arguments = ["fetch", "voxceleb1", str(folder), "--md5", str(sums)]
    main([*arguments, *(["--from", str(home)] if apart else [])])
    assert unpacked(folder) == DEV | TEST
    assert (folder / "vox1_meta.csv").is_file()
    assert (folder / "vox1_test_wav.zip").exists() != apart  # archives are not copied
    said = capsys.readouterr().out
    assert f"holds {len(DEV) + len(TEST)} of the 153,516 recordings" in said
    assert "arXiv:1706.08612" in said
    assert f"--env=voxceleb --params raw={folder}" in said


def test_what_is_needed_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: pytest.fail("network"))
    files = published()
    del files["vox1_dev_wav_partac"]
    folder_of(tmp_path, files)
    with pytest.raises(SystemExit):
        main(["fetch", "voxceleb1", str(tmp_path)])
    sentence = said(capsys)
    for needed in ("lacks vox1_dev_wav_partac:", "https://mm.kaist.ac.kr/", "--from URL", "{file}"):
        assert needed in sentence
    assert not (tmp_path / "wav").exists()
    only = Source(parts=("test",), sums={})
    assert fetch_voxceleb1(tmp_path, only) == len(TEST)


def test_damaged_parts_are_named_before_anything_is_unpacked(tmp_path: Path) -> None:
    files = published()
    sums = sums_of(files)
    folder_of(tmp_path, files | {"vox1_dev_wav_partab": files["vox1_dev_wav_partab"][:-1] + b"x"})
    with pytest.raises(ValueError, match=r"partab has the md5 sum .*expected .*delete it and"):
        fetch_voxceleb1(tmp_path, Source(sums=sums))
    assert not (tmp_path / "wav").exists()
    with pytest.raises(ValueError, match=r"partaa has the md5 sum .*expected e395d020928bc15670b5"):
        fetch_voxceleb1(tmp_path, Source())  # by default the published sums


def test_nothing_is_written_outside(tmp_path: Path) -> None:
    files = published() | {"vox1_test_wav.zip": zipped({"wav/../../out.wav": b"RIFF"})}
    with pytest.raises(ValueError, match=r"would write .*out.wav.*outside"):
        fetch_voxceleb1(folder_of(tmp_path / "v", files), Source(sums={}))
    assert not (tmp_path / "out.wav").exists()


def test_sums_are_read_as_md5sum_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "sums"
    digest = "e395d020928bc15670b570a21695ed96"
    path.write_text(f"{digest}  a b.zip\n\n{digest} *down/c.zip\n")
    assert read_sums(path) == {"a b.zip": digest, "c.zip": digest}
    path.write_text("nonsense\n")
    with pytest.raises(ValueError, match=r"'nonsense' on line 1, expected `md5sum  file name`"):
        read_sums(path)
    with pytest.raises(ValueError, match="is not there"):
        read_sums(tmp_path / "none")
    with pytest.raises(ValueError, match=r"parts are dev and test, got \('all',\)"):
        Source(parts=("all",))
