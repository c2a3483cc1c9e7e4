"""Commands in hostile hands: the same file twice, and two at one gallery."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_calls import HIGH, LOW, call, record
from made_verifier import bundle

from bodysounds import Verifier
from bodysounds.models.verifier import save_verifier

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_recording_on_both_sides_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_verifier(tmp_path / "bundle", bundle())
    a, b = record(tmp_path / "a.wav", LOW), record(tmp_path / "b.wav", HIGH)
    (tmp_path / "link.wav").symlink_to(a)
    call("verify", a, tmp_path / "link.wav", "--model", tmp_path / "bundle")
    assert "stands on both sides" in capsys.readouterr().err
    call("verify", a, b, "--model", tmp_path / "bundle")
    assert "both sides" not in capsys.readouterr().err


def test_an_enrolment_that_another_overtook_loses_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save_verifier(tmp_path / "bundle", bundle())
    a, gallery = record(tmp_path / "a.wav", LOW), tmp_path / "g.safetensors"
    asked = ["--gallery", gallery, "--model", tmp_path / "bundle"]
    assert call("enrol", "first", a, *asked) == 0
    enrol = Verifier.enrol

    def overtaken(self: Verifier, *given: Any, **options: Any) -> None:
        monkeypatch.setattr(Verifier, "enrol", enrol)
        assert call("enrol", "meanwhile", a, *asked) == 0
        enrol(self, *given, **options)

    monkeypatch.setattr(Verifier, "enrol", overtaken)
    assert call("enrol", "last", a, *asked) == 2
    assert "was changed by another meanwhile" in capsys.readouterr().err
    verifier = Verifier.load(tmp_path / "bundle", device="cpu")
    verifier.load_gallery(gallery)
    assert verifier.gallery.ids == ["first", "meanwhile"]
