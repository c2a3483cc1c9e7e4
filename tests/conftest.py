"""Shared fixtures: real recordings, where a folder of them is named, and small synthetic corpora."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def project_dir() -> Path:
    return PROJECT


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of real recordings, from the environment variable BODYSOUNDS_DATA."""
    named = os.environ.get("BODYSOUNDS_DATA")
    if not named:
        pytest.skip("BODYSOUNDS_DATA names no folder of real recordings")
    folder = Path(named).expanduser().resolve()
    if not folder.is_dir():
        pytest.fail(f"BODYSOUNDS_DATA is {named!r}, which is no folder")
    return folder
