"""Small archives of VoxCeleb1 in parts, and a local server that gives them away."""

from __future__ import annotations

import hashlib
import http.server
import io
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from bodysounds.corpora.fetch_voxceleb import ARCHIVES

DEV = {
    f"wav/id1000{speaker}/v{video}/0000{clip}.wav": bytes([speaker, video, clip]) * 700
    for speaker in (1, 2) for video in (1, 2) for clip in (1, 2, 3)
}  # fmt: skip
TEST = {"wav/id10270/v1/00001.wav": b"RIFF" * 300}
META = "VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet\nid10001\tA\tm\tX\tdev\n"


def zipped(members: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as opened:
        for name, content in members.items():
            opened.writestr(zipfile.ZipInfo(name), content)
    return made.getvalue()


def published() -> dict[str, bytes]:
    """The files by name: dev cut into four parts, test, and one of the tables."""
    dev = zipped(DEV)
    cuts = np.linspace(0, len(dev), 5).astype(int)
    parts = (dev[a:b] for a, b in pairwise(cuts))
    files = dict(zip(ARCHIVES["dev"], parts, strict=True))
    return files | {"vox1_test_wav.zip": zipped(TEST), "vox1_meta.csv": META.encode()}


def sums_of(files: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.md5(content).hexdigest() for name, content in files.items()}


@dataclass
class Server:
    """What it serves and has been asked; `stops_at` ends a body early."""

    files: dict[str, bytes]
    address: str = ""
    login: str | None = None
    stops_at: int | None = None
    ranges: bool = True
    page: bool = False
    asked: list[tuple[str, str | None]] = field(default_factory=list)


@contextmanager
def serving() -> Iterator[Server]:
    """A server on this machine that plays the owners of VoxCeleb."""
    state = Server(published())

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            name = self.path.rpartition("/")[2].rpartition("=")[2]
            wanted = self.headers.get("Range")
            state.asked.append((name, wanted))
            if self.path.startswith("/moved/"):
                self.send_response(302)
                self.send_header("Location", f"/open/{name}")
                self.end_headers()
                return
            login = self.headers.get("Authorization")
            if self.path.startswith("/open/"):
                assert login is None, "a redirection must not carry the password"
            elif state.login and login != state.login:
                self.send_error(401)
                return
            if name not in state.files:
                self.send_error(404)
                return
            content = state.files[name]
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
            if start and state.ranges:
                if start >= len(content):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(content)}")
                    self.end_headers()
                    return
                self.send_response(206)
            else:
                start = 0
                self.send_response(200)
            self.send_header("Content-Type", "text/html" if state.page else "application/zip")
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            body = content[start:]
            self.wfile.write(body if state.stops_at is None else body[: state.stops_at])

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        state.address = f"http://127.0.0.1:{httpd.server_address[1]}"
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield state
        httpd.shutdown()
