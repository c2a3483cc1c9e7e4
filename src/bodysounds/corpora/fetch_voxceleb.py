"""Fetches VoxCeleb1 for people who were given access, or unpacks what they fetched by hand."""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bodysounds.corpora._voxceleb_lists import LISTS, META
from bodysounds.corpora.base import some
from bodysounds.corpora.download import download, md5
from bodysounds.corpora.fetch import unpack
from bodysounds.corpora.joined import JoinedFiles

logger = logging.getLogger(__name__)

ARCHIVES = {
    "dev": tuple(f"vox1_dev_wav_part{letters}" for letters in ("aa", "ab", "ac", "ad")),
    "test": ("vox1_test_wav.zip",),
}
# as several public recipes give them
SUMS = {
    "vox1_dev_wav_partaa": "e395d020928bc15670b570a21695ed96",
    "vox1_dev_wav_partab": "bbfaaccefab65d82b21903e81a8a8020",
    "vox1_dev_wav_partac": "017d579a2a96a077f40042ec33e51512",
    "vox1_dev_wav_partad": "7bb1e9f70fddc7a678fa998ea8b3ba19",
    "vox1_test_wav.zip": "185fdc63c3c739954633d50379a3d102",
}
TABLES = ("vox1_meta.csv", "iden_split.txt", *LISTS.values())
PAGE = "https://mm.kaist.ac.kr/datasets/voxceleb/"
ACCESS = (
    f"ask for access at {PAGE}, then either put the files into the folder yourself and repeat the "
    "command, or give --from URL, the address of your mail with {file} in the place of the file's "
    "name (such as 'https://host/download?key=KEY&file={file}'; without {file} the name is put "
    "after it), with --user NAME and the password in VOXCELEB_PASSWORD where it asks for them"
)
TERMS = (
    "VoxCeleb1 (Nagrani et al., arXiv:1706.08612) is for research; its owners give access to those "
    f"who ask. Needed are {', '.join(SUMS)} (tens of GB, as much again unpacked; the parts "
    f"are never joined on disk), and the tables {', '.join(TABLES)}. To get them, {ACCESS}."
)


@dataclass(frozen=True)
class Source:
    """Where the files of VoxCeleb1 come from."""

    address: str | None = None
    """A URL, with or without {file}, or a folder; None for the folder that they are unpacked in."""
    tables: str = f"{META}/{{file}}"
    """The same for the tables; asked only where address is a URL."""
    login: tuple[str, str] | None = None
    """User and password."""
    sums: Mapping[str, str] = field(default_factory=lambda: SUMS)
    """md5 sums by file name; a file without one is not checked."""
    parts: tuple[str, ...] = ("dev", "test")

    def __post_init__(self) -> None:
        if not self.parts or set(self.parts) - set(ARCHIVES):
            raise ValueError(f"parts are {' and '.join(ARCHIVES)}, got {self.parts!r}")


def fetch_voxceleb1(folder: Path, source: Source) -> int:
    """Fetch or find the files of VoxCeleb1, unpack them into a folder, and return how many wavs.

    The archives unpack into `wav/<speaker>/<video>/`. Nothing is asked of the network unless
    `source.address` is a URL. What is there already is neither fetched nor unpacked again. A table
    that cannot be fetched is logged, and the rest goes on. Raises ValueError for archives that are
    missing without a URL to fetch them from, and for one whose md5 sum is another, PermissionError
    without access and ConnectionError without network; see also `bodysounds.corpora.fetch.unpack`.
    """
    folder = folder.expanduser().resolve()
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [name for part in source.parts for name in ARCHIVES[part]]
    is_url = (source.address or "").startswith(("http://", "https://"))
    home = folder if is_url or not source.address else Path(source.address).expanduser().resolve()
    if is_url:
        _download(folder, wanted, source)
    missing = [name for name in wanted if not (home / name).is_file()]
    if missing:
        raise ValueError(f"{home} lacks {some(missing, 5)}: {ACCESS}")
    for name in wanted:
        check(home / name, source.sums.get(name))
    for part in source.parts:
        paths = [home / name for name in ARCHIVES[part]]
        with io.BufferedReader(JoinedFiles(paths), 1 << 20) as content:
            unpack(paths[0], folder, content)
    for name in TABLES:
        if home != folder and (home / name).is_file() and not (folder / name).is_file():
            (folder / name).write_bytes((home / name).read_bytes())
    return sum(1 for _ in (folder / "wav").rglob("*.wav"))


def check(path: Path, expected: str | None) -> None:
    """Raise ValueError where a file has another md5 sum than expected; None checks nothing."""
    if expected is None:
        return
    found = md5(path)
    if found != expected.lower():
        raise ValueError(
            f"{path} has the md5 sum {found}, expected {expected}: it is damaged or another "
            "release; delete it and fetch it again, or name your own sums with --md5"
        )


def read_sums(path: Path) -> dict[str, str]:
    """Return md5 sums by file name from a file as md5sum writes it (`sum  name` lines).

    Raises ValueError for a file that is missing and a line of another form.
    """
    if not path.is_file():
        raise ValueError(f"the file of md5 sums {path} is not there")
    sums = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        digest, _, name = line.strip().partition(" ")
        if line.strip() and (len(digest) != 32 or not name.strip(" *")):
            raise ValueError(f"{path} has {line!r} on line {number}, expected `md5sum  file name`")
        if line.strip():
            sums[Path(name.strip(" *")).name] = digest
    return sums


def _download(folder: Path, wanted: list[str], source: Source) -> None:
    absent = [name for name in wanted if not (folder / name).is_file()]
    try:
        for name in absent:
            download(_url(source.address or "", name), folder / name, source.login)
    except PermissionError as error:
        if error.errno is not None:  # of the disk
            raise
        raise PermissionError(f"{error}: {ACCESS}") from error
    for name in TABLES:
        if not (folder / name).is_file():
            try:
                download(_url(source.tables, name), folder / name)
            except OSError as error:
                logger.warning("%s; its place is %s, fetch it from %s", error, folder, PAGE)


def _url(address: str, name: str) -> str:
    if "{file}" in address:
        return address.replace("{file}", name)
    return f"{address.rstrip('/')}/{name}"
