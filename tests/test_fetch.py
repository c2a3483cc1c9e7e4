"""The fetch command: what it says and does, with Hugging Face played by a made folder."""

from __future__ import annotations

import errno
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

from bodysounds.__main__ import main
from bodysounds.corpora import cryceleb
from bodysounds.corpora.fetch import fetch_cryceleb, unpack

METADATA = """baby_id,period,duration,split,chronological_index,file_name,file_id
0694,B,1.0,train,0,audio/train/0694/B/0694_B_000.wav,0694_B_000
0694,D,1.0,train,0,audio/train/0694/D/0694_D_000.wav,0694_D_000
"""
RECORDINGS = ("audio/train/0694/B/0694_B_000.wav", "audio/train/0694/D/0694_D_000.wav")
COUNTS = dict.fromkeys(cryceleb.COMPLETE, 0) | {
    "babies": 1,
    "train babies": 1,
    "train babies with both periods": 1,
}


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the sentence on standard error."""
    return capsys.readouterr().err.strip()


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as opened:
        for name, content in members.items():
            opened.writestr(zipfile.ZipInfo(name), content)
    return path


def http_error(kind: type[HfHubHTTPError], status: int) -> HfHubHTTPError:
    """An error as Hugging Face's client raises it, with a response of its own HTTP library."""
    library = sys.modules[HfHubHTTPError.__mro__[1].__module__.split(".")[0]]
    request = library.Request("GET", "https://huggingface.co/api")
    return kind("line one\nline two", response=library.Response(status, request=request))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Hugging Face with a small corpus; `fails` and `denies` are raised where they are set."""
    played: dict[str, Any] = {"fails": None, "denies": None, "calls": []}

    def check(repository: str, *, repo_type: str) -> None:
        assert (repository, repo_type) == ("Ubenwa/CryCeleb2023", "dataset")
        if played["denies"] is not None:
            raise played["denies"]

    def download(
        repository: str, *, repo_type: str, local_dir: Path, allow_patterns: list[str]
    ) -> str:
        assert (repository, repo_type) == ("Ubenwa/CryCeleb2023", "dataset")
        played["calls"].append(local_dir)
        if played["fails"] is not None:
            raise played["fails"]
        (local_dir / "metadata.csv").write_text(METADATA)
        archive(local_dir / "audio.zip", dict.fromkeys(RECORDINGS, b"RIFF"))
        return str(local_dir)

    monkeypatch.setattr(huggingface_hub, "auth_check", check)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.setattr(cryceleb, "COMPLETE", COUNTS)
    return played


def test_a_fetched_corpus_is_unpacked_checked_and_named(
    tmp_path: Path, hub: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "new" / "cryceleb"
    main(["fetch", "cryceleb", str(folder)])
    assert all((folder / name).read_bytes() == b"RIFF" for name in RECORDINGS)
    said = capsys.readouterr().out
    for needed in (
        "https://huggingface.co/datasets/Ubenwa/CryCeleb2023",
        "CC BY-NC-ND 4.0",
        "HF_TOKEN",
        "hf auth login",
        "unpack audio.zip",
        f"{folder} holds CryCeleb2023, 2 recordings",
        f"kedro run --env=cryceleb --params raw={folder}",
    ):
        assert needed in said
    assert said.index("HF_TOKEN") < said.index("unpack audio.zip")


def test_a_second_fetch_leaves_what_is_there_and_mends_what_is_not(
    tmp_path: Path, hub: dict[str, Any]
) -> None:
    assert fetch_cryceleb(tmp_path) == 2
    whole, short = (tmp_path / name for name in RECORDINGS)
    before = whole.stat().st_mtime_ns
    short.write_bytes(b"R")  # as a killed run leaves it
    assert fetch_cryceleb(tmp_path) == 2
    assert whole.stat().st_mtime_ns == before
    assert short.read_bytes() == b"RIFF"


@pytest.mark.parametrize("where", ["denies", "fails"])
@pytest.mark.parametrize(
    "error",
    [
        http_error(GatedRepoError, 403),
        http_error(RepositoryNotFoundError, 401),
        http_error(HfHubHTTPError, 401),
    ],
    ids=["gated", "not found", "bad token"],
)
def test_without_access_it_says_what_to_accept_and_set(
    tmp_path: Path,
    hub: dict[str, Any],
    error: Exception,
    where: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    hub[where] = error
    (tmp_path / "metadata.csv").write_text(METADATA)  # a folder that isn't empty changes nothing
    with pytest.raises(SystemExit) as left:
        main(["fetch", "cryceleb", str(tmp_path)])
    sentence = said(capsys)
    assert left.value.code == 2
    assert "no access to Ubenwa/CryCeleb2023" in sentence
    assert "accept the conditions at https://huggingface.co/datasets/Ubenwa/" in sentence
    assert "HF_TOKEN" in sentence
    assert "\n" not in sentence
    assert (len(hub["calls"]) == 0) == (where == "denies")


@pytest.mark.parametrize(
    "error",
    [
        OSError("Name or service not known"),
        ConnectionError("offline mode is enabled"),
        TimeoutError(errno.ETIMEDOUT, "timed out"),
        http_error(HfHubHTTPError, 503),
        RuntimeError("Data processing error\nmore"),
        RuntimeError(),
    ],
    ids=["dns", "offline", "timeout", "down", "transfer", "silent"],
)
def test_without_network_it_says_so(
    tmp_path: Path, hub: dict[str, Any], error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    hub["fails"] = error
    with pytest.raises(SystemExit) as left:
        main(["fetch", "cryceleb", str(tmp_path)])
    assert left.value.code == 2
    sentence = said(capsys)
    assert "could not be fetched from Hugging Face" in sentence
    assert "check the network and repeat" in sentence
    assert "\n" not in sentence


def test_a_full_disk_is_not_called_a_network(
    tmp_path: Path, hub: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    hub["fails"] = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(SystemExit) as left:
        main(["fetch", "cryceleb", str(tmp_path)])
    assert left.value.code == 2
    sentence = said(capsys)
    assert "No space left on device" in sentence
    assert "network" not in sentence


def test_a_corpus_that_came_in_part_is_named(
    tmp_path: Path, hub: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(COUNTS, "babies", 786)
    with pytest.raises(ValueError, match=r"not the whole of CryCeleb2023 .*babies 1, expected 786"):
        fetch_cryceleb(tmp_path)
    monkeypatch.setitem(COUNTS, "babies", 1)
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda *_, **__: (tmp_path / "audio.zip").unlink()
    )
    (tmp_path / RECORDINGS[0]).unlink()
    with pytest.raises(ValueError, match=r"lacks 1 of the 2 recordings .*0694_B_000.wav"):
        fetch_cryceleb(tmp_path)


@pytest.mark.parametrize(
    "name", ["../outside.wav", "audio/../../outside.wav", "/outside.wav", "link/outside.wav"]
)
def test_an_archive_writes_nothing_outside_its_folder(tmp_path: Path, name: str) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "outside.wav"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    named = str(outside) if name.startswith("/") else name
    malicious = archive(folder / "audio.zip", {"audio/good.wav": b"RIFF", named: b"bad"})
    with pytest.raises(ValueError, match=r"would write .*outside.*not the published archive"):
        unpack(malicious, folder)
    assert not outside.exists()
    assert not (folder / "audio").exists()  # nothing at all was written


def test_a_link_in_an_archive_becomes_no_link(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "audio.zip", "w") as opened:
        link = zipfile.ZipInfo("audio/link")
        link.external_attr = 0o120777 << 16
        opened.writestr(link, "/etc")
    unpack(tmp_path / "audio.zip", tmp_path)
    assert not (tmp_path / "audio" / "link").is_symlink()


def test_archives_that_are_damaged_or_too_large_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "audio.zip"
    path.write_bytes(b"not a zip")
    with pytest.raises(ValueError, match=r"audio.zip is damaged .*fetch again"):
        unpack(path, tmp_path)
    archive(path, {"audio/a.wav": b"RIFF" * 100})
    content = bytearray(path.read_bytes())
    content[content.index(b"RIFFRIFF") + 20] ^= 255
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"audio.zip is damaged \(Bad CRC"):
        unpack(path, tmp_path)
    archive(path, {"audio/b.wav": b"RIFF" * 100})
    usage = type("Usage", (), {"free": 399})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(ValueError, match=r"needs 0.0 GB unpacked and 0.0 GB are free"):
        unpack(path, tmp_path)
    assert not (tmp_path / "audio/b.wav").exists()


@pytest.mark.parametrize("arguments", [[], ["voxceleb", "folder"], ["cryceleb"]])
def test_wrong_arguments_show_the_usage(
    arguments: list[str], capsys: pytest.CaptureFixture[str], hub: dict[str, Any]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["fetch", *arguments])
    assert left.value.code == 2
    assert "usage: bodysounds fetch" in capsys.readouterr().err
    assert hub["calls"] == []


@pytest.mark.parametrize(
    "arguments",
    [["--pipelines=cry_verification"], ["--pipelines", "fetch"], ["--tags=a", "fetch"]],
)
def test_anything_else_goes_to_kedro_run(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[list[str]] = []
    find: Callable[[str], Callable[[list[str]], None]] = lambda _: given.append  # noqa: E731
    monkeypatch.setattr("kedro.framework.cli.utils.find_run_command", find)
    main(arguments)
    assert given == [arguments]


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_names_a_run_and_the_fetch(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given: list[list[str]] = []
    monkeypatch.setattr("kedro.framework.cli.utils.find_run_command", lambda _: given.append)
    main(arguments)
    said = capsys.readouterr().out
    assert "bodysounds --pipelines=cry_verification" in said
    assert "bodysounds fetch cryceleb FOLDER" in said
    assert given == ([arguments] if arguments else [])  # kedro's own help follows; nothing runs


def test_without_arguments_nothing_runs(tmp_path: Path) -> None:
    """In a process of its own, in a folder without a project: help, and exit code 0."""
    done = subprocess.run(
        [sys.executable, "-m", "bodysounds"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "bodysounds fetch cryceleb FOLDER" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_command_itself_fails_in_one_sentence(tmp_path: Path) -> None:
    """In a process of its own, where Hugging Face is switched off: no traceback, exit code 2."""
    command = [sys.executable, "-m", "bodysounds", "fetch", "cryceleb", str(tmp_path / "c")]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False,
        env={"HF_HUB_OFFLINE": "1", "PATH": "", "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("bodysounds fetch: Ubenwa/CryCeleb2023 could not be fetched")
    assert len(done.stderr.strip().splitlines()) == 1


def test_starting_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'pandas', 'kedro', 'huggingface_hub', 'numpy'}"
    code = f"import sys, bodysounds.__main__; sys.exit(', '.join({heavy} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
