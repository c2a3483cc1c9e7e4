"""Files over HTTP, gone on with where they stopped."""

from __future__ import annotations

import base64
import hashlib
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from bodysounds.progress import track

BLOCK = 1 << 20
AGAIN = "check the network and repeat the command, it goes on where it stopped"


def download(url: str, path: Path, login: tuple[str, str] | None = None) -> None:
    """Fetch a URL into a file; what an interrupted call left in `<path>.partial` is gone on with.

    `login` is (user, password), sent to the server of the URL only, never where it redirects to.
    Shows progress. Raises PermissionError where the server refuses or answers with a web page
    (expired keys do), ConnectionError where it cannot be reached or the file ends early.
    """
    partial = path.with_name(f"{path.name}.partial")
    start = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    if login:
        token = base64.b64encode(":".join(login).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {token}")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            if answer.headers.get_content_type() == "text/html":
                raise PermissionError(f"the server answers with a web page instead of {path.name}")
            if answer.status != 206:
                start = 0  # the server sends the whole file
            _write(answer, partial, start, path.name)
    except urllib.error.HTTPError as error:
        if error.code == 416 and _is_whole(error, start):
            pass  # everything was there but the name
        elif error.code in (401, 403):
            raise PermissionError(
                f"the server refuses {path.name} ({error.code} {error.reason})"
            ) from error
        else:
            raise ConnectionError(
                f"{path.name} could not be fetched ({error.code} {error.reason}): check the URL"
            ) from error
    except urllib.error.URLError as error:
        raise ConnectionError(
            f"{path.name} could not be fetched ({error.reason}): {AGAIN}"
        ) from error
    except (HTTPException, TimeoutError, ConnectionResetError) as error:
        raise ConnectionError(f"{path.name} was cut off ({error}): {AGAIN}") from error
    partial.rename(path)


def md5(path: Path) -> str:
    """Return the md5 sum of a file, as hexadecimal digits; shows progress for a large one."""
    digest = hashlib.md5(usedforsecurity=False)
    blocks = -(-path.stat().st_size // BLOCK)
    with path.open("rb") as file:
        for _ in track(range(blocks), f"check {path.name}"):
            digest.update(file.read(BLOCK))
    return digest.hexdigest()


def _is_whole(error: urllib.error.HTTPError, there: int) -> bool:
    return str(error.headers.get("Content-Range", "")).endswith(f"/{there}")


def _write(answer: HTTPResponse, partial: Path, start: int, name: str) -> None:
    """Append the answer's body from `start` on; ConnectionError where it is shorter than said."""
    length = int(answer.headers.get("Content-Length") or 0)
    with partial.open("r+b" if start else "wb") as file:
        file.seek(start)
        file.truncate()
        blocks = iter(lambda: answer.read(BLOCK), b"")
        for block in track(blocks, f"fetch {name}", total=-(-length // BLOCK)):
            file.write(block)
    missing = start + length - partial.stat().st_size
    if missing > 0:
        raise ConnectionError(f"{name} ended {missing:,} bytes early: {AGAIN}")
