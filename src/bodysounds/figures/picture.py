"""A figure that was saved, as notebooks and pages show it."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Picture:
    """The PNG of a saved figure; a notebook shows it as an image."""

    png: bytes = field(repr=False)
    name: str = ""

    def _repr_png_(self) -> bytes:
        return self.png

    @property
    def base64(self) -> str:
        """The PNG in base64, for a data URI."""
        return base64.b64encode(self.png).decode()
