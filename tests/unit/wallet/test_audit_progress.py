"""The progress bar of an audit: how far, how fast, and nothing where nobody would see it."""

from __future__ import annotations

import re

import pytest

from wallet.auditing.progress import AuditProgress, shown_progress
from wallet.session import Session


def test_it_says_how_far_and_how_fast(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "150")
    now_s = 100.0
    with AuditProgress(blocks=2_000, transactions=8_000, color=False, now_s=lambda: now_s) as progress:
        progress.begin(1_000, 1_000)
        for height in (1_001, 1_002):
            now_s += 1
            progress.advance(height, 500)
    printed = capsys.readouterr()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", printed.err)
    assert "block 1,002 of 2,000" in text
    assert "500 transactions/s" in text
    assert "30%" in text
    assert printed.out == ""


def test_where_nobody_looks_there_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    class Unasked:
        name, blocks, transactions = "x", 1, 1

    with shown_progress(Session(), Unasked(), 0, 0) as advance:  # type: ignore[arg-type]
        advance(1, 1)
    assert capsys.readouterr() == ("", "")
