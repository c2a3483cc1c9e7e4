"""Fetches CryCeleb2023 from Hugging Face, for people who have accepted its conditions."""

from __future__ import annotations

import errno
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from bodysounds.corpora.base import some
from bodysounds.corpora.cryceleb import read_cryceleb
from bodysounds.progress import track

REPOSITORY = "Ubenwa/CryCeleb2023"
PAGE = f"https://huggingface.co/datasets/{REPOSITORY}"
ARCHIVE = "audio.zip"
OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)
WANTED = ("*.csv", "*.zip", "*.wav", "README.md")
ACCESS = (
    f"log in to Hugging Face, accept the conditions at {PAGE}, then set HF_TOKEN to a token of "
    "that account (https://huggingface.co/settings/tokens) or run `hf auth login` once"
)
TERMS = (
    "CryCeleb2023 (Budaghyan et al., arXiv:2305.00969) is licensed CC BY-NC-ND 4.0: not for "
    "commercial use, and no changed copy may be passed on. It is gated, and its owners receive the "
    f"contact details of whoever asks for it. To get it, {ACCESS}."
)


def fetch_cryceleb(folder: Path) -> int:
    """Fetch CryCeleb2023 into a folder, unpack it there, and return its number of recordings.

    What is there already is not fetched again, so an interrupted call can be repeated; audio.zip
    stays beside what was in it. Shows progress. Raises PermissionError without access, which says
    what to accept and which token to set, ConnectionError where Hugging Face cannot be reached, and
    ValueError for an archive that is damaged or would write elsewhere, and where what came is not
    the whole corpus.
    """
    folder = folder.expanduser().resolve()
    folder.mkdir(parents=True, exist_ok=True)
    _download(folder)
    if (folder / ARCHIVE).is_file():
        unpack(folder / ARCHIVE, folder)
    recordings = read_cryceleb(folder, complete=True).recordings
    lost = [path for path in recordings["path"] if not (folder / path).is_file()]
    if lost:
        raise ValueError(
            f"{folder} lacks {len(lost)} of the {len(recordings)} recordings of its metadata.csv "
            f"({some(lost)}): delete {ARCHIVE} there and fetch again"
        )
    return len(recordings)


def unpack(archive: Path, folder: Path, content: BinaryIO | None = None) -> None:
    """Unpack a zip archive into a folder; files that are there in full size are left.

    `content` is what the archive holds, where it is not one file. Raises ValueError, before
    anything is written, for a member that would lie outside the folder, an archive larger than the
    free disk, and one that is damaged.
    """
    try:
        with zipfile.ZipFile(content or archive) as opened:
            members = [member for member in opened.infolist() if not member.is_dir()]
            root = folder.resolve()
            for member in members:
                if not (root / member.filename).resolve().is_relative_to(root):
                    raise ValueError(
                        f"{archive} would write {member.filename!r}, outside {folder}: it is not "
                        "the published archive, delete it"
                    )
            new = [m for m in members if not _is_there(folder / m.filename, m.file_size)]
            needed, free = sum(m.file_size for m in new), shutil.disk_usage(folder).free
            if needed > free:
                raise ValueError(
                    f"{archive} needs {needed / 1e9:.1f} GB unpacked and {free / 1e9:.1f} GB are "
                    f"free on the disk of {folder}: make room, or choose another folder"
                )
            for member in track(new, f"unpack {archive.name}"):
                opened.extract(member, folder)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError) as error:
        raise ValueError(f"{archive} is damaged ({error}): delete it and fetch again") from error


def _is_there(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _download(folder: Path) -> None:
    import huggingface_hub

    try:
        # snapshot_download itself would be content with a folder that isn't empty
        huggingface_hub.auth_check(REPOSITORY, repo_type="dataset")
        huggingface_hub.snapshot_download(
            REPOSITORY, repo_type="dataset", local_dir=folder, allow_patterns=list(WANTED)
        )
    except Exception as error:  # of whichever HTTP library Hugging Face uses
        _say(error)
        raise


def _say(error: Exception) -> None:
    """Raise, for an error of the download, one that says what to do; return for others."""
    from huggingface_hub.errors import RepositoryNotFoundError

    reasons = list(_chain(error))
    refused = [
        reason
        for reason in reasons
        # a gated repository is one kind of those not found
        if isinstance(reason, RepositoryNotFoundError)
        or getattr(getattr(reason, "response", None), "status_code", None) in (401, 403)
    ]
    if refused:
        raise PermissionError(
            f"Hugging Face gives this account no access to {REPOSITORY}: {ACCESS}"
        ) from error
    if not (isinstance(error, OSError) and error.errno in OF_THE_DISK):
        told = str(error).strip().splitlines() or [""]
        raise ConnectionError(
            f"{REPOSITORY} could not be fetched from Hugging Face ({type(error).__name__}: "
            f"{told[0]}): check the network and repeat the command, it goes on where it stopped"
        ) from error


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
